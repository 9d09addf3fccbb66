/**
 * Families of broken stores: each is built on one engine, and lives where that engine may be imported. This one
 * file says what a family is; `tools/zoo` lists them all and runs them.
 */
import { AssertionError } from 'node:assert';
import { isBalsaError } from '@balsa/raft-core';
import { runCase, type CaseOptions, type ConformanceCase } from '../case.ts';
import { orderedCases, storageCases } from '../suite.ts';
import type { Level, Target } from '../target.ts';

/** A broken store: one bug, and the case that has to notice it. */
export interface Animal {
  /** What the store does, as a predicate without a subject: "keeps the tail behind a shorter suffix". Unique. */
  readonly bug: string;
  /** Where a real store had the bug, or whose tests guard against it. */
  readonly cite: string;
  /** Id of the case that names the bug. */
  readonly killer: string;
  readonly target: Target;
}

export interface ZooFamily {
  /** Of the engine it is built on: memory, file, sqlite, redis, rocksdb. */
  readonly name: string;
  readonly animals: readonly Animal[];
  /** Stores of the same engine that keep every rule: no case may kill them. */
  readonly correct: readonly Target[];
  /**
   * Levels whose other cases are run for the column "and by" of the page. Default none: on a real disk that takes
   * minutes.
   */
  readonly matrix?: readonly Level[];
  /** Why the family cannot be run on this machine (no server, no compiler); undefined when it can. */
  readonly missing?: () => Promise<string | undefined>;
}

/**
 * - `killed`: a check of the case failed.
 * - `survived`: the case passed.
 * - `not-applicable`: the case says nothing about this store here: it has not been judged.
 * - `broke`: the case ended with an error that is no judgement of the store.
 */
export type Verdict =
  | { readonly status: 'survived' }
  | { readonly status: 'killed' | 'broke' | 'not-applicable'; readonly reason: string };

const isJudgement = (error: unknown): boolean =>
  error instanceof AssertionError ||
  isBalsaError(error) ||
  (error instanceof Error && error.cause !== undefined && isJudgement(error.cause));

/** Runs one case, by its id, on a store. */
export async function judge(id: string, target: Target, options: CaseOptions = {}): Promise<Verdict> {
  const found = [...storageCases, ...orderedCases].find((one) => one.id === id);
  if (found === undefined) throw new Error(`there is no case ${id}`);
  return judgeBy(found, target, options);
}

async function judgeBy(one: ConformanceCase, target: Target, options: CaseOptions): Promise<Verdict> {
  try {
    const outcome = await runCase(one, target, options);
    return outcome.status === 'passed' ? { status: 'survived' } : outcome;
  } catch (error) {
    const reason = error instanceof Error ? error.message : typeof error;
    return { status: isJudgement(error) ? 'killed' : 'broke', reason };
  }
}

export interface Kill {
  readonly id: string;
  readonly reason: string;
}

/** All cases of these levels that kill the store, but for the long ones. */
export async function allKillers(
  target: Target,
  options: CaseOptions & { readonly levels: readonly Level[] },
): Promise<Kill[]> {
  const kills: Kill[] = [];
  for (const one of [...storageCases, ...orderedCases]) {
    if (one.long === true || !options.levels.includes(one.level)) continue;
    const verdict = await judgeBy(one, target, options);
    if (verdict.status === 'killed' || verdict.status === 'broke')
      kills.push({ id: one.id, reason: verdict.reason });
  }
  return kills;
}
