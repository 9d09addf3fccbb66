/** What a run found, for people's tools: `schema/conformance-report.schema.json` describes it as JSON. */
import type { StorageCapabilities } from '@balsa/raft-core';
import { levels, type Level } from './target.ts';

/** `not-run`: asked for in no way, such as a long case in a short run. Neither it nor `not-applicable` counts as passed. */
export type CaseStatus = 'passed' | 'failed' | 'not-applicable' | 'not-run';

export interface CaseResult {
  readonly id: string;
  readonly level: Level;
  readonly title: string;
  readonly status: CaseStatus;
  /** Why it does not apply, was not run, or failed. Absent when it passed. */
  readonly reason?: string;
  /** Of a failed case: the arguments for `balsa conformance` that run it again. */
  readonly replay?: readonly string[];
  readonly milliseconds: number;
}

export interface LevelCount {
  readonly level: Level;
  readonly passed: number;
  readonly failed: number;
  readonly notApplicable: number;
  readonly notRun: number;
}

/**
 * - `A`: cases of every level passed, none failed.
 * - `B`: none failed, but of some level nothing could be tried on this target, or was left out of this run.
 * - `C`: something failed, though every case of `core` and `durable` held.
 * - `D`: the data do not survive a closing and reopening in good order.
 * - `F`: a rule of one life is broken; no Raft node should run on it.
 */
export type Grade = 'A' | 'B' | 'C' | 'D' | 'F';

export interface ConformanceReport {
  readonly format: 'balsa-conformance/1';
  readonly target: string;
  /** As the store states them; undefined when it could not be opened. Infinity is written as the text "Infinity". */
  readonly capabilities?: Omit<StorageCapabilities, 'watermarkLag'> & {
    readonly watermarkLag: number | 'Infinity';
  };
  readonly environment: { readonly node: string; readonly platform: string; readonly arch: string };
  readonly seed: number;
  /** Whether all cases were asked for; false with a choice of levels or ids. */
  readonly complete: boolean;
  readonly grade: Grade;
  readonly milliseconds: number;
  readonly levels: readonly LevelCount[];
  readonly cases: readonly CaseResult[];
}

export function countLevels(cases: readonly CaseResult[]): LevelCount[] {
  return levels.map((level) => {
    const count = (status: CaseStatus): number =>
      cases.filter((one) => one.level === level && one.status === status).length;
    return {
      level,
      passed: count('passed'),
      failed: count('failed'),
      notApplicable: count('not-applicable'),
      notRun: count('not-run'),
    };
  });
}

export function gradeOf(counts: readonly LevelCount[]): Grade {
  const failed = (level: Level): boolean => counts.some((one) => one.level === level && one.failed > 0);
  if (failed('core')) return 'F';
  if (failed('durable')) return 'D';
  if (counts.some((one) => one.failed > 0)) return 'C';
  return counts.every((one) => one.passed > 0) ? 'A' : 'B';
}

/** What was found beside the checks of a case: an error that nobody awaited, for example. */
export interface CaseFailure {
  /** Undefined before the first case. */
  readonly id: string | undefined;
  readonly reason: string;
}

/** The report with these as failures of their cases, or of the first one, and graded anew. */
export function withFailures(report: ConformanceReport, failures: readonly CaseFailure[]): ConformanceReport {
  if (failures.length === 0) return report;
  const [first] = report.cases;
  const cases = report.cases.map((one): CaseResult => {
    const reasons = failures.filter(({ id = first?.id }) => id === one.id).map(({ reason }) => reason);
    if (reasons.length === 0) return one;
    const { replay = ['--only', one.id, '--seed', String(report.seed)] } = one;
    const known = one.status === 'failed' && one.reason !== undefined ? [one.reason] : [];
    // The same again and again says no more.
    const reason = [...known, ...new Set(reasons)].join('\n');
    return { ...one, status: 'failed', reason, replay };
  });
  const counts = countLevels(cases);
  return { ...report, cases, levels: counts, grade: gradeOf(counts) };
}
