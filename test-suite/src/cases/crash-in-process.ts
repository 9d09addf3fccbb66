/** Crashes that a harness can make within this process: at every turn of the microtask queue between a call and its answer. */
import assert from 'node:assert/strict';
import { NoLimit, type Storage, type StorageState, type StoreIdentity } from '@balsa/raft-core';
import type { CaseContext, ConformanceCase, OpenedGroup } from '../case.ts';
import { sameGroup, showEntry } from '../check.ts';
import { bytes, conf, confEntry, create, hard, meta, receive, run } from '../make.ts';

/** Turns of the microtask queue after which a crash is tried. Later ones find the call long settled. */
const turns = 60;

async function after(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await Promise.resolve();
}

/** All of a group that can be compared, as text. */
async function picture({ storage, state }: OpenedGroup): Promise<string> {
  const entries = await storage.entries(state.firstIndex, state.lastIndex + 1, NoLimit);
  const snapshots = (await storage.listSnapshots()).map(({ id }) => id);
  const { hardState, confState, outline, pendingRestore } = state;
  return JSON.stringify([
    entries.map(showEntry),
    hardState,
    confState,
    outline,
    pendingRestore?.id,
    snapshots,
  ]);
}

/**
 * Crashes at every turn while `act` is under way. What is found must be what was there before or what `act` leaves,
 * whole, and stay so once the dead call has settled; and the latter when `act` had resolved.
 */
async function allOrNothing(
  context: CaseContext,
  prepare: (storage: Storage) => Promise<unknown>,
  act: (storage: Storage, prepared: unknown) => Promise<unknown>,
): Promise<void> {
  for (let turn = 0; turn <= turns; turn++) {
    const id = `group ${String(turn)}`;
    const first = await context.group(id);
    const prepared = await prepare(first.storage);
    const before = await picture(await context.regroup(id));
    let answer: 'none' | 'ok' | 'error' = 'none';
    const { storage } = await context.regroup(id);
    const dying = act(storage, prepared).then(
      () => (answer = 'ok'),
      () => (answer = 'error'),
    );
    await after(turn);
    const promised = (answer as string) === 'ok';
    await context.crashEngine();
    const found = await picture(await context.group(id));
    await dying;
    await after(turns);
    assert.equal(
      await picture(await context.regroup(id)),
      found,
      'what a dead call did came only after open',
    );
    if (found === before)
      assert.ok(!promised, `crash after turn ${String(turn)}: what was acknowledged is gone`);
    else await assertWhole(context, id, found, prepare, act);
    await context.closeEngine();
  }
}

/** `found` is what the same call leaves when nothing crashes. */
async function assertWhole(
  context: CaseContext,
  id: string,
  found: string,
  prepare: (storage: Storage) => Promise<unknown>,
  act: (storage: Storage, prepared: unknown) => Promise<unknown>,
): Promise<void> {
  const other = await context.group(`${id} again`);
  await act(other.storage, await prepare(other.storage));
  assert.equal(found, await picture(await context.regroup(`${id} again`)), 'a part of a change survived');
}

const identity: StoreIdentity = {
  clusterId: '0123456789abcdef',
  nodeId: 2,
  incarnation: 'fedcba9876543210',
  maxEntryBytes: 1024,
};

const founded = async (storage: Storage): Promise<void> => {
  await storage.write({ entries: run(1, 6, 1), hardState: hard(1, 4, 1) });
};

export const crashInProcessCases: readonly ConformanceCase[] = [
  {
    id: 'crash-in-process/acknowledged-writes-survive',
    title: 'every write that has resolved is there after a crash',
    level: 'crash',
    needs: ['crash'],
    run: async (context) => {
      for (let last = 2; last <= 12; last += 2) {
        const { storage } = await context.group();
        await storage.write({ entries: run(last - 1, last, last), hardState: hard(last, last - 1, 3) });
        await context.crashEngine();
        const state: StorageState = (await context.group()).state;
        assert.equal(state.lastIndex, last, 'the entries of an acknowledged write');
        assert.deepEqual({ ...state.hardState }, hard(last, last - 1, 3), 'its hard state');
        await context.closeEngine();
      }
    },
  },
  {
    id: 'crash-in-process/vote-survives',
    title: 'a vote that has resolved is there after a crash, also without any entry',
    level: 'crash',
    needs: ['crash'],
    run: async (context) => {
      const { storage } = await context.group();
      await storage.write({ hardState: hard(7, 0, 2) });
      await context.crashEngine();
      await sameGroup(await context.group(), { hardState: hard(7, 0, 2) });
    },
  },
  {
    id: 'crash-in-process/each-part-alone-survives',
    title:
      'a change of one part alone (commit, conf state, boundary, report of a restore) is there after a crash',
    level: 'crash',
    needs: ['crash'],
    run: async (context) => {
      let { storage } = await context.group();
      const after = async (change: Promise<unknown>): Promise<StorageState> => {
        await change;
        await context.crashEngine();
        const opened = await context.group();
        storage = opened.storage;
        return opened.state;
      };
      await storage.write({ entries: [confEntry(1, 1), ...run(2, 6, 1)], hardState: hard(1, 1, 1) });
      const committed = await after(storage.write({ hardState: hard(1, 5, 1) }));
      assert.equal(committed.hardState.commit, 5, 'a commit');
      const confState = { index: 1, state: conf(1, 2, 3) };
      const members = await after(storage.write({ confState }));
      assert.deepEqual([members.confState.index, ...members.confState.state.voters], [1, 1, 2, 3]);
      const compacted = await after(storage.compactTo(4));
      assert.deepEqual({ ...compacted.outline.boundary }, { index: 4, term: 1 }, 'a boundary');
      const { id } = await receive(storage, meta(9, 2));
      const installed = await after(storage.write({ install: id }));
      assert.equal(installed.pendingRestore?.id, id, 'an installation');
      const restored = await after(storage.write({ restored: id }));
      assert.equal(restored.pendingRestore, undefined, 'the report of a restore');
    },
  },
  {
    id: 'crash-in-process/engine-changes-survive',
    title: 'an identity that was stamped is there after a crash, and a group that was destroyed is not',
    level: 'crash',
    needs: ['crash'],
    run: async (context) => {
      const { storage } = await context.group('gone');
      await storage.write({ entries: run(1, 3, 1), hardState: hard(1, 2, 1) });
      await storage.close();
      const engine = await context.engine();
      await engine.stamp(identity);
      await engine.destroyGroup('gone');
      await context.crashEngine();
      assert.deepEqual({ ...(await (await context.engine()).identity()) }, identity, 'the identity');
      assert.deepEqual(await (await context.engine()).listGroups(), []);
      await sameGroup(await context.group('gone'), {});
    },
  },
  {
    id: 'crash-in-process/write-is-all-or-nothing',
    title: 'a crash at any turn of a write leaves all of the batch or nothing, and nothing comes later',
    level: 'crash',
    needs: ['crash'],
    run: (context) =>
      allOrNothing(context, founded, (storage) =>
        storage.write({
          entries: run(5, 9, 2),
          confState: { index: 8, state: conf(1, 2, 3) },
          hardState: hard(2, 8, 2),
        }),
      ),
  },
  {
    id: 'crash-in-process/install-is-all-or-nothing',
    title: 'a crash at any turn of an installation leaves the old log or the snapshot, never a mixture',
    level: 'crash',
    needs: ['crash'],
    run: (context) =>
      allOrNothing(
        context,
        async (storage) => {
          await founded(storage);
          return (await receive(storage, meta(9, 3))).id;
        },
        (storage, id) => storage.write({ install: String(id), hardState: hard(3, 9) }),
      ),
  },
  {
    id: 'crash-in-process/compaction-is-all-or-nothing',
    title: 'a crash at any turn of a compaction leaves the old boundary or the new one, with its term',
    level: 'crash',
    needs: ['crash'],
    run: (context) => allOrNothing(context, founded, (storage) => storage.compactTo(3)),
  },
  {
    id: 'crash-in-process/snapshot-is-all-or-nothing',
    title:
      'a snapshot whose commit has resolved is there after a crash; one whose commit has not is whole or gone',
    level: 'crash',
    needs: ['crash'],
    run: async (context) => {
      for (let turn = 0; turn <= turns; turn++) {
        const id = `group ${String(turn)}`;
        const { storage } = await context.group(id);
        await founded(storage);
        let resolved = false;
        const dying = create(storage, meta(4, 1), [bytes('one'), bytes('two')]).then(
          () => (resolved = true),
          () => undefined,
        );
        await after(turn);
        const promised = resolved as boolean satisfies boolean;
        await context.crashEngine();
        const opened = await context.group(id);
        const found = await opened.storage.listSnapshots();
        await dying;
        assert.ok(found.length === 1 || !promised, 'a snapshot that was committed is gone');
        assert.deepEqual(
          found.map(({ chunkCount, bytes: size }) => [chunkCount, size]),
          found.length === 0 ? [] : [[2, 6]],
        );
        await context.closeEngine();
      }
    },
  },
  {
    id: 'crash-in-process/synced-ordered-writes-survive',
    title: 'what an ordered store has synced is there after a crash, and of the rest a prefix',
    level: 'crash',
    needs: ['crash', 'ordered-store'],
    run: async (context) => {
      const store = (await context.engine()).orderedStore('kv');
      await store.open();
      for (let i = 1; i <= 9; i++) {
        await store.write({ changes: [[bytes(`key ${String(i)}`), bytes('value')]], appliedIndex: i });
        if (i === 5) assert.equal(await store.sync(), 5);
      }
      await context.crashEngine();
      const again = (await context.engine()).orderedStore('kv');
      const { appliedIndex } = await again.open();
      assert.ok(appliedIndex >= 5 && appliedIndex <= 9, `applied index ${String(appliedIndex)}`);
      assert.equal(await again.count(), appliedIndex, 'exactly the writes up to the applied index');
    },
  },
];
