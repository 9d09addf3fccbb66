/**
 * Chooses faults from the seed, one or two at a time, and after each looks whether the cluster recovers: a cluster
 * that is left alone has to take writes again.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { faults, type Fault, type Surroundings } from './faults.ts';

/** Longest that a healed cluster may take until it acknowledges a write, in milliseconds; disks are shared and slow. */
const recoveryMs = 60_000;
/** Of quiet between two faults, in milliseconds. */
const quietMs = 1_500;
const twoAtOnce = 0.35;

export class Nemesis {
  readonly #around: Surroundings;
  readonly #acknowledged: () => number;
  readonly #say: (text: string) => void;

  constructor(around: Surroundings, acknowledged: () => number, say: (text: string) => void) {
    this.#around = around;
    this.#acknowledged = acknowledged;
    this.#say = say;
  }

  /** Until `deadline`, on the clock of `performance`, or until the cluster cannot go on. */
  async run(deadline: number): Promise<void> {
    const { random, signal, findings } = this.#around;
    while (performance.now() < deadline && !signal.aborted && findings.violationCount === 0) {
      const first = this.#choose([]);
      if (first === undefined) return;
      const second = first.alone !== true && random.next() < twoAtOnce ? this.#choose([first]) : undefined;
      await Promise.all([first, second].map((fault) => this.#commit(fault)));
      this.#around.network.heal();
      if (!(await this.#recovers())) return;
      await sleep(random.next() * quietMs, undefined, { signal }).catch(() => undefined);
    }
  }

  #choose(beside: readonly Fault[]): Fault | undefined {
    const possible = faults.filter(
      (fault) =>
        !beside.includes(fault) &&
        (beside.length === 0 || fault.alone !== true) &&
        fault.possible?.(this.#around) !== false,
    );
    let at = this.#around.random.next() * possible.reduce((sum, { weight }) => sum + weight, 0);
    return possible.find(({ weight }) => (at -= weight) < 0);
  }

  async #commit(fault: Fault | undefined): Promise<void> {
    if (fault === undefined) return;
    const { findings, signal } = this.#around;
    findings.count(`fault ${fault.name}`);
    this.#say(fault.name);
    try {
      await fault.run(this.#around);
    } catch (error) {
      if (signal.aborted) return;
      findings.violation(`${fault.name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  /** Every node runs, and a write that began after the healing is acknowledged. */
  async #recovers(): Promise<boolean> {
    const { cluster, signal, findings, keeper } = this.#around;
    const began = performance.now();
    // What is under way may still end well without a leader that stays.
    const wanted = this.#acknowledged() + 20;
    while (!signal.aborted) {
      const running = cluster.running().length === cluster.ids().length;
      if (running && this.#acknowledged() >= wanted) {
        findings.longest('recovery', performance.now() - began);
        return true;
      }
      if (keeper.fallen > 0) return false;
      if (performance.now() - began > recoveryMs) {
        findings.violation(
          `${recoveryMs / 1000} s after all faults were undone, ` +
            (running ? 'no writes are acknowledged' : 'not all nodes run'),
        );
        return false;
      }
      await sleep(50, undefined, { signal }).catch(() => undefined);
    }
    return false;
  }
}
