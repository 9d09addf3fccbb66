/** The family of broken stores on the memory engine: the rules of one life, of reopening and of crashes. */
import { stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { createMemoryDisk, openMemoryEngine } from '@balsa/raft-core/memory';
import type { Target } from '../target.ts';
import { durabilityMutants } from './durability-mutants.ts';
import { edgeMutants, slowEdgeMutants } from './edge-mutants.ts';
import { engineMutants } from './engine-mutants.ts';
import type { Animal, ZooFamily } from './family.ts';
import { furtherMutants } from './further-mutants.ts';
import { logMutants } from './log-mutants.ts';
import { memoryTarget } from './memory-target.ts';
import { naiveEngineMutants, slowMutants } from './naive-engine-mutants.ts';
import { naiveLogMutants } from './naive-log-mutants.ts';
import { snapshotMutants } from './snapshot-mutants.ts';
import { stateMutants } from './state-mutants.ts';
import { valueMutants } from './value-mutants.ts';

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

/** Real I/O: no number of microtasks passes it. */
const macroturn = async (): Promise<void> => {
  await stat(tmpdir());
};

const animals: readonly Animal[] = [
  ...[
    ...logMutants,
    ...stateMutants,
    ...snapshotMutants,
    ...durabilityMutants,
    ...engineMutants,
    ...furtherMutants,
    ...edgeMutants,
    ...naiveLogMutants,
    ...naiveEngineMutants,
    ...valueMutants,
  ].map(({ bug, cite, killer, change }) => ({ bug, cite, killer, target: memoryTarget(bug, change) })),
  ...[...slowMutants, ...slowEdgeMutants].map(({ bug, cite, killer, change }) => ({
    bug,
    cite,
    killer,
    target: memoryTarget(bug, change, { schedule: macroturn }),
  })),
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

/** Stores that keep every rule, quick and slow. */
const correct: readonly Target[] = [
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

/** A memory store is quickly held to these; the others take long with stores as wasteful as some here. */
export const memoryFamily: ZooFamily = {
  name: 'memory',
  animals,
  correct,
  matrix: ['core', 'durable', 'crash', 'concurrency'],
};
