/** A rule that was broken, and which. */

/** The invariants that every step is held to; docs/simulation.md says what each one means. */
export type Rule =
  | 'I1 ElectionSafety'
  | 'I2 LeaderAppendOnly'
  | 'I3 LogMatching'
  | 'I4 LeaderCompleteness'
  | 'I5 StateMachineSafety'
  | 'I6 CommittedImmutable'
  | 'I7 CommittedOnDurableQuorum'
  | 'I8 Monotonic'
  | 'I9 Ordering'
  | 'I10 ConfigFidelity'
  | 'I11 RestartFidelity'
  | 'I12 ReadyContract'
  | 'I13 Linearizability'
  | 'I14 Liveness'
  | 'I15 QuiescentCounters'
  | 'I16 Robustness'
  | 'I17 CrashStates';

export class Violation extends Error {
  readonly rule: Rule;
  readonly details: readonly string[];

  constructor(rule: Rule, message: string, details: readonly string[] = []) {
    super(message);
    this.name = 'Violation';
    this.rule = rule;
    this.details = details;
  }
}
