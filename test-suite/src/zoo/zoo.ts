/** Runs the broken stores against their cases: the suite is good when each is killed by the case that names its bug. */
import { AssertionError } from 'node:assert';
import { isBalsaError } from '@balsa/raft-core';
import { createMemoryDisk, openMemoryEngine } from '@balsa/raft-core/memory';
import { runCase, type CaseOptions, type ConformanceCase } from '../case.ts';
import { orderedCases, storageCases } from '../suite.ts';
import type { Level, Target } from '../target.ts';
import { durabilityMutants } from './durability-mutants.ts';
import { engineMutants } from './engine-mutants.ts';
import { logMutants } from './log-mutants.ts';
import { memoryTarget } from './memory-target.ts';
import { snapshotMutants } from './snapshot-mutants.ts';
import { stateMutants } from './state-mutants.ts';

/** A broken store as the zoo shows it. */
export interface Animal {
  readonly bug: string;
  readonly cite: string;
  readonly killer: string;
  readonly target: Target;
}

const withoutLock: Animal = {
  bug: 'lets two owners in',
  cite: 'lni/dragonboat FileLock; a paused process that writes after its successor',
  killer: 'open/one-owner',
  target: {
    name: 'without a lock',
    create: () => {
      const disk = createMemoryDisk();
      const open = async (): Promise<ReturnType<typeof openMemoryEngine>> =>
        disk.inUse ? openMemoryEngine() : openMemoryEngine({ disk });
      return Promise.resolve({ open, destroy: () => Promise.resolve() });
    },
  },
};

const forgetful: Target = {
  name: 'forgetful',
  create: () => Promise.resolve({ open: async () => openMemoryEngine(), destroy: () => Promise.resolve() }),
};

const forgetfulCite = 'RedisLabs/redisraft#14: all data lost on every failover';

/** All broken stores, each named by its bug. */
export const zoo: readonly Animal[] = [
  ...[...logMutants, ...stateMutants, ...snapshotMutants, ...durabilityMutants, ...engineMutants].map(
    ({ bug, cite, killer, change }) => ({ bug, cite, killer, target: memoryTarget(bug, change) }),
  ),
  withoutLock,
  ...['reopen/whole-history', 'identity/stamp-survives-reopen', 'ordered/synced-writes-survive'].map(
    (killer) => ({
      bug: `keeps nothing when it is closed, of what ${killer.split('/')[0] ?? ''} is about`,
      cite: forgetfulCite,
      killer,
      target: forgetful,
    }),
  ),
];

/** Stores that keep every rule, quick and slow; the suite may not kill them. */
export const correctStores: readonly Target[] = [
  memoryTarget('memory'),
  {
    name: 'memory that takes its time',
    abilities: ['crash'],
    create: () => {
      const disk = createMemoryDisk();
      let turns = 0;
      const schedule = async (): Promise<void> => {
        for (let turn = 0; turn < turns; turn++) await Promise.resolve();
        turns = (turns + 3) % 7;
      };
      return Promise.resolve({
        open: async () => openMemoryEngine({ disk, schedule }),
        crash: async () => {
          disk.crash();
        },
        destroy: () => Promise.resolve(),
      });
    },
  },
];

/**
 * - `killed`: a check of the case failed.
 * - `survived`: the case passed, or did not apply.
 * - `broke`: the case ended with an error that is no judgement of the store.
 */
export type Verdict =
  { readonly status: 'survived' } | { readonly status: 'killed' | 'broke'; readonly reason: string };

const isJudgement = (error: unknown): boolean =>
  error instanceof AssertionError ||
  isBalsaError(error) ||
  (error instanceof Error && error.cause !== undefined && isJudgement(error.cause));

export async function judge(id: string, target: Target, options: CaseOptions = {}): Promise<Verdict> {
  const found = [...storageCases, ...orderedCases].find((one) => one.id === id);
  if (found === undefined) throw new Error(`there is no case ${id}`);
  return judgeBy(found, target, options);
}

async function judgeBy(one: ConformanceCase, target: Target, options: CaseOptions): Promise<Verdict> {
  try {
    await runCase(one, target, options);
    return { status: 'survived' };
  } catch (error) {
    const reason = error instanceof Error ? error.message : typeof error;
    return { status: isJudgement(error) ? 'killed' : 'broke', reason };
  }
}

/** Levels that a memory store is quickly held to; the others take long with stores as wasteful as some here. */
const quick: readonly Level[] = ['core', 'durable', 'crash', 'concurrency'];

/** Ids of all cases that kill the store: of the quick levels, or of all but the long cases. */
export async function allKillers(
  target: Target,
  options: CaseOptions & { readonly levels?: readonly Level[] } = {},
): Promise<string[]> {
  const killers: string[] = [];
  for (const one of [...storageCases, ...orderedCases]) {
    if (one.long === true || !(options.levels ?? quick).includes(one.level)) continue;
    if ((await judgeBy(one, target, options)).status !== 'survived') killers.push(one.id);
  }
  return killers;
}
