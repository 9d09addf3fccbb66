/** Whose objects are whose: what a caller gave, or was given, is the caller's to change once the call has settled. */
import assert from 'node:assert/strict';
import type { ConfState, StoreIdentity } from '@balsa/raft-core';
import type { ConformanceCase } from '../case.ts';
import { refuses, sameGroup, sameSnapshot } from '../check.ts';
import { conf, confEntry, create, entry, hard, jointConf, meta, run } from '../make.ts';

type Changeable<T> = { -readonly [K in keyof T]: T[K] };
type ChangeableConf = { -readonly [K in keyof ConfState]: ConfState[K] extends boolean ? boolean : number[] };

const changeableConf = (state: ConfState): ChangeableConf => ({
  voters: [...state.voters],
  votersOutgoing: [...state.votersOutgoing],
  learners: [...state.learners],
  learnersNext: [...state.learnersNext],
  autoLeave: state.autoLeave,
});

/** As a caller does that keeps one object for all its calls. */
function scribble(state: ChangeableConf): void {
  for (const ids of [state.voters, state.votersOutgoing, state.learners, state.learnersNext])
    ids.splice(0, ids.length, 99);
  state.autoLeave = !state.autoLeave;
}

export const callersCases: readonly ConformanceCase[] = [
  {
    id: 'atomicity/batch-stays-the-callers',
    title: 'the states and the list of a batch may be changed and used again once its write has settled',
    level: 'durable',
    run: async (context) => {
      const { storage } = await context.group();
      const entries = [...run(1, 3, 1), confEntry(4, 1), entry(5, 1), confEntry(6, 1)];
      const expected = {
        entries: [...entries],
        hardState: hard(2, 6, 3),
        confState: { index: 4, state: jointConf },
      };
      const hardState = { ...expected.hardState };
      const state = changeableConf(jointConf);
      const confState = { index: 4, state };
      await storage.write({ entries, hardState, confState });
      entries.length = 1;
      Object.assign(hardState, { term: 1, vote: 7, commit: 1 });
      confState.index = 6;
      scribble(state);
      await refuses(() => storage.compactTo(6), 'STORE_CONF_UNRECORDED');
      await refuses(() => storage.write({ hardState: hard(1, 6) }), 'STORE_TERM_REGRESSION');
      await sameGroup(await context.regroup(), expected);
      await sameGroup(await context.reopen(), expected);
    },
  },
  {
    id: 'snapshots/metadata-stays-the-callers',
    title: 'the metadata of a snapshot may be changed and used again once the writer is there',
    level: 'durable',
    run: async (context) => {
      const { storage } = await context.group();
      const state = changeableConf(jointConf);
      const metadata = { index: 7, term: 2, confState: state };
      const writer = await storage.createSnapshot(metadata);
      Object.assign(metadata, { index: 9, term: 1 });
      scribble(state);
      const stored = await writer.commit();
      const expected = { ...stored, metadata: meta(7, 2, jointConf) };
      sameSnapshot(stored, expected);
      sameSnapshot((await storage.listSnapshots())[0], expected);
      sameSnapshot((await context.reopen()).state.snapshot, expected);
    },
  },
  {
    id: 'identity/stamp-stays-the-callers',
    title: 'the identity given to a stamp may be changed once that has settled',
    level: 'durable',
    run: async (context) => {
      const expected: StoreIdentity = {
        clusterId: '0123456789abcdef',
        nodeId: 3,
        incarnation: 'fedcba9876543210',
        maxEntryBytes: 1024,
      };
      const given: Changeable<StoreIdentity> = { ...expected };
      const engine = await context.engine();
      await engine.stamp(given);
      given.nodeId = 4;
      given.clusterId = 'ffffffffffffffff';
      assert.deepEqual({ ...(await engine.identity()) }, expected);
      await context.closeEngine();
      assert.deepEqual({ ...(await (await context.engine()).identity()) }, expected);
    },
  },
  {
    id: 'snapshots/list-is-the-callers',
    title: 'changing a list of snapshots, groups or entries that was given changes nothing in the store',
    level: 'core',
    run: async (context) => {
      const { storage } = await context.group();
      await storage.write({
        entries: run(1, 3, 1),
        hardState: hard(1, 3),
        confState: { index: 1, state: conf(1) },
      });
      for (const index of [1, 2, 3]) await create(storage, meta(index, 1));
      const engine = await context.engine();
      for (let i = 0; i < 2; i++) {
        const snapshots = await storage.listSnapshots();
        assert.deepEqual(snapshots.map(({ metadata }) => metadata.index), [3, 2, 1]); // prettier-ignore
        snapshots.reverse().pop();
        const groups = await engine.listGroups();
        assert.deepEqual(groups, ['group']);
        groups.push('another');
        const entries = await storage.entries(1, 4, 1e6);
        assert.deepEqual(entries.map(({ index }) => index), [1, 2, 3]); // prettier-ignore
        entries.reverse().pop();
      }
      await storage.pruneSnapshots(1);
      assert.deepEqual((await storage.listSnapshots()).map(({ metadata }) => metadata.index), [3]); // prettier-ignore
    },
  },
];
