/** Hard state and conf state. */
import type { HardState } from '@balsa/raft-core';
import type { ConformanceCase } from '../case.ts';
import { refuses, sameGroup, sameSnapshot } from '../check.ts';
import { conf, create, hard, jointConf, meta, run } from '../make.ts';

/** Entries 1 to 5 and hard state (term 3, vote 2, commit 3) are stored; `next` has to be refused. */
function refusedHardState(
  id: string,
  title: string,
  next: HardState,
  code: 'STORE_TERM_REGRESSION' | 'STORE_COMMIT_OUT_OF_RANGE',
): ConformanceCase {
  return {
    id,
    title,
    level: 'core',
    run: async (context) => {
      const { storage } = await context.group();
      await storage.write({ entries: run(1, 5, 3), hardState: hard(3, 3, 2) });
      await refuses(() => storage.write({ hardState: next }), code);
      await sameGroup(await context.regroup(), { entries: run(1, 5, 3), hardState: hard(3, 3, 2) });
    },
  };
}

export const hardStateCases: readonly ConformanceCase[] = [
  {
    id: 'hard-state/round-trip',
    title: 'term, vote and commit come back after every change, in the group and after reopening',
    level: 'durable',
    run: async (context) => {
      let { storage } = await context.group();
      await storage.write({ entries: run(1, 9, 1) });
      const steps = [hard(1, 0), hard(1, 0, 3), hard(1, 2, 3), hard(2, 2), hard(2, 5, 1), hard(9, 9, 2)];
      for (const [n, hardState] of steps.entries()) {
        await storage.write({ hardState });
        const opened = n % 2 === 0 ? await context.reopen() : await context.regroup();
        await sameGroup(opened, { entries: run(1, 9, 1), hardState });
        storage = opened.storage;
      }
    },
  },
  {
    id: 'hard-state/vote-without-entries',
    title: 'a vote in an empty log is kept',
    level: 'durable',
    run: async (context) => {
      const { storage } = await context.group();
      await storage.write({ hardState: hard(7, 0, 4) });
      await sameGroup(await context.reopen(), { hardState: hard(7, 0, 4) });
    },
  },
  {
    id: 'hard-state/last-of-many-wins',
    title: 'after many changes the last one is there',
    level: 'durable',
    run: async (context) => {
      const { storage } = await context.group();
      for (let term = 1; term <= 50; term++) await storage.write({ hardState: hard(term, 0, term % 3) });
      await sameGroup(await context.reopen(), { hardState: hard(50, 0, 2) });
    },
  },
  refusedHardState(
    'hard-state/term-never-falls',
    'a lower term is refused',
    hard(2, 3, 2),
    'STORE_TERM_REGRESSION',
  ),
  refusedHardState(
    'hard-state/commit-beyond-last',
    'a commit beyond the last entry is refused',
    hard(3, 6, 2),
    'STORE_COMMIT_OUT_OF_RANGE',
  ),
  refusedHardState(
    'hard-state/commit-never-falls',
    'a commit below the stored one is refused',
    hard(3, 2, 2),
    'STORE_COMMIT_OUT_OF_RANGE',
  ),
  refusedHardState(
    'hard-state/commit-never-falls-with-a-higher-term',
    'a commit below the stored one is refused in a higher term, too',
    hard(9, 2, 2),
    'STORE_COMMIT_OUT_OF_RANGE',
  ),
  {
    id: 'hard-state/commit-with-its-entries',
    title: 'a commit may cover entries of its own batch, up to the last one',
    level: 'durable',
    run: async (context) => {
      const { storage } = await context.group();
      await storage.write({ entries: run(1, 3, 1), hardState: hard(1, 3) });
      await sameGroup(await context.reopen(), { entries: run(1, 3, 1), hardState: hard(1, 3) });
    },
  },
  {
    id: 'hard-state/truncation-below-commit',
    title:
      'a batch after which the log would end below the commit is refused, with or without a hard state in it',
    level: 'core',
    run: async (context) => {
      const { storage } = await context.group();
      const before = { entries: run(1, 5, 3), hardState: hard(3, 4) };
      await storage.write(before);
      await refuses(() => storage.write({ entries: run(2, 3, 3) }), 'STORE_COMMIT_OUT_OF_RANGE');
      await refuses(
        () => storage.write({ entries: run(2, 3, 3), hardState: hard(3, 4) }),
        'STORE_COMMIT_OUT_OF_RANGE',
      );
      await sameGroup(await context.regroup(), before);
    },
  },
];

export const confStateCases: readonly ConformanceCase[] = [
  {
    id: 'conf-state/round-trip',
    title: 'a joint conf state comes back whole, with its index',
    level: 'durable',
    run: async (context) => {
      const { storage } = await context.group();
      const confState = { index: 4, state: jointConf };
      await storage.write({ entries: run(1, 5, 1), confState });
      await sameGroup(await context.regroup(), { entries: run(1, 5, 1), confState });
      await sameGroup(await context.reopen(), { entries: run(1, 5, 1), confState });
    },
  },
  {
    id: 'conf-state/large-ids',
    title: 'ids of members keep their value, up to the largest, in a conf state and in that of a snapshot',
    level: 'durable',
    run: async (context) => {
      const { storage } = await context.group();
      const [one, two, three] = [2 ** 32 + 1, 2 ** 40 + 3, Number.MAX_SAFE_INTEGER];
      const state = {
        voters: [1, one],
        votersOutgoing: [1, two],
        learners: [2 ** 32 + 7],
        learnersNext: [three],
        autoLeave: false,
      };
      await storage.write({ entries: run(1, 5, 1), confState: { index: 4, state } });
      const made = await create(storage, meta(4, 1, state));
      const again = await context.reopen();
      await sameGroup(again, { entries: run(1, 5, 1), confState: { index: 4, state } });
      sameSnapshot(again.state.snapshot, made);
      sameSnapshot(made, { ...made, metadata: meta(4, 1, state) });
    },
  },
  {
    id: 'conf-state/last-wins',
    title: 'a later conf state replaces every field of the one before it',
    level: 'durable',
    run: async (context) => {
      const { storage } = await context.group();
      await storage.write({ entries: run(1, 5, 1), confState: { index: 2, state: jointConf } });
      await storage.write({ confState: { index: 5, state: conf(9) } });
      await sameGroup(await context.reopen(), {
        entries: run(1, 5, 1),
        confState: { index: 5, state: conf(9) },
      });
    },
  },
  {
    id: 'conf-state/kept-by-other-writes',
    title: 'writes without a conf state, truncations and compactions leave it and its index alone',
    level: 'durable',
    run: async (context) => {
      const { storage } = await context.group();
      const confState = { index: 2, state: jointConf };
      await storage.write({ entries: run(1, 5, 1), confState, hardState: hard(1, 4) });
      await storage.write({ entries: run(5, 6, 2), hardState: hard(2, 4) });
      await storage.compactTo(4);
      await sameGroup(await context.reopen(), {
        boundary: { index: 4, term: 1 },
        entries: run(5, 6, 2),
        hardState: hard(2, 4),
        confState,
      });
    },
  },
];
