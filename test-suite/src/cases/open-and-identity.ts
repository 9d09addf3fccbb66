/** Empty stores, opening, locks and identity. */
import assert from 'node:assert/strict';
import { isBalsaError, type Engine, type StoreIdentity } from '@balsa/raft-core';
import type { ConformanceCase } from '../case.ts';
import { refuses, sameGroup } from '../check.ts';
import { entry, hard, run } from '../make.ts';

const identity: StoreIdentity = {
  clusterId: '0123456789abcdef',
  nodeId: 2 ** 40 + 3,
  incarnation: 'fedcba9876543210',
  // What every store takes.
  maxEntryBytes: 1024,
};

export const openAndIdentityCases: readonly ConformanceCase[] = [
  {
    id: 'open/fresh-store-is-empty',
    title: 'a fresh group has first index 1, last index 0, empty states and no snapshot',
    level: 'core',
    run: async (context) => {
      const opened = await context.group();
      await sameGroup(opened, {});
      assert.equal(opened.state.snapshot, undefined);
      assert.deepEqual(await opened.storage.listSnapshots(), []);
      assert.deepEqual(await (await context.engine()).listGroups(), []);
    },
  },
  {
    id: 'open/empty-store-reopens-empty',
    title: 'a store that was opened and closed unused is as fresh as before',
    level: 'durable',
    run: async (context) => {
      await context.group();
      const again = await context.reopen();
      await sameGroup(again, {});
      assert.deepEqual(await (await context.engine()).listGroups(), []);
      assert.equal(await (await context.engine()).identity(), undefined);
    },
  },
  {
    id: 'open/nothing-before-open',
    title: 'a group that is not open yet refuses everything but open',
    level: 'core',
    run: async (context) => {
      const storage = (await context.engine()).group('group');
      await refuses(() => storage.write({ entries: [entry(1, 1)] }), 'STORE_NOT_OPEN');
      await refuses(() => storage.entries(1, 1, 0), 'STORE_NOT_OPEN');
      await refuses(() => storage.compactTo(0), 'STORE_NOT_OPEN');
      await refuses(() => storage.listSnapshots(), 'STORE_NOT_OPEN');
      await sameGroup({ storage, state: await storage.open() }, {});
    },
  },
  {
    id: 'open/same-object-until-closed',
    title: 'group(id) and orderedStore(name) give the same object until it is closed, then another',
    level: 'core',
    run: async (context) => {
      const engine = await context.engine();
      const { storage } = await context.group();
      assert.equal(engine.group('group'), storage);
      await storage.close();
      assert.notEqual(engine.group('group'), storage);
      if (!context.hasOrderedStore) return;
      const store = engine.orderedStore('kv');
      assert.equal(engine.orderedStore('kv'), store);
      await store.close();
      assert.notEqual(engine.orderedStore('kv'), store);
    },
  },
  {
    id: 'open/one-owner',
    title: 'a second opener is refused with STORE_LOCKED, or fences the first, whose next write is refused',
    level: 'core',
    run: async (context) => {
      const { storage } = await context.group();
      await storage.write({ entries: run(1, 2, 1), hardState: hard(1, 0) });
      let second: Engine | undefined;
      try {
        second = await context.harness.open();
      } catch (error) {
        assert.ok(isBalsaError(error, 'STORE_LOCKED'), `expected STORE_LOCKED, found ${String(error)}`);
      }
      if (second === undefined) {
        await storage.write({ entries: run(3, 3, 1) });
        return;
      }
      await refuses(() => storage.write({ entries: run(3, 3, 1) }), 'STORE_FENCED');
      const group = second.group('group');
      await sameGroup(
        { storage: group, state: await group.open() },
        { entries: run(1, 2, 1), hardState: hard(1, 0) },
      );
      await group.write({ entries: run(3, 4, 2), hardState: hard(2, 2, 1) });
      await refuses(() => storage.write({ entries: run(3, 3, 1) }), 'STORE_FENCED', 'STORE_POISONED');
      await group.close();
      const again = second.group('group');
      await sameGroup(
        { storage: again, state: await again.open() },
        { entries: [...run(1, 2, 1), ...run(3, 4, 2)], hardState: hard(2, 2, 1) },
      );
      await second.close();
    },
  },
  {
    id: 'open/lock-is-released',
    title: 'after close the next opener is let in, many times over',
    level: 'durable',
    run: async (context) => {
      for (let i = 1; i <= 5; i++) {
        const { storage, state } = await context.reopen();
        assert.equal(state.lastIndex, i - 1);
        await storage.write({ entries: [entry(i, 1)] });
      }
    },
  },
  {
    id: 'open/group-id-length',
    title: 'a group id of 0 or 257 units is refused, one of 256 is taken',
    level: 'core',
    run: async (context) => {
      const engine = await context.engine();
      await refuses(() => engine.group(''), 'INVALID_ARGUMENT');
      await refuses(() => engine.group('x'.repeat(257)), 'INVALID_ARGUMENT');
      await sameGroup(await context.group('é'.repeat(256)), {});
    },
  },
  {
    id: 'open/capabilities-are-constant',
    title: 'the capabilities are whole, and the same at every open',
    level: 'durable',
    run: async (context) => {
      const before = { ...(await context.engine()).capabilities };
      assert.ok(before.engine.length > 0 && before.engineVersion.length > 0, 'engine and version are named');
      assert.ok(before.maxEntryBytes >= 1024, 'maxEntryBytes');
      assert.ok(before.watermarkLag >= 0, 'watermarkLag');
      assert.ok(['strict', 'relaxed'].includes(before.durability), 'durability');
      await context.closeEngine();
      assert.deepEqual({ ...(await context.engine()).capabilities }, before);
    },
  },
  {
    id: 'identity/stamp-survives-reopen',
    title: 'an unstamped store has no identity; a stamped one has it for ever',
    level: 'durable',
    run: async (context) => {
      const engine = await context.engine();
      assert.equal(await engine.identity(), undefined);
      await engine.stamp(identity);
      assert.deepEqual({ ...(await engine.identity()) }, identity);
      await context.closeEngine();
      assert.deepEqual({ ...(await (await context.engine()).identity()) }, identity);
    },
  },
  {
    id: 'identity/second-stamp-is-refused',
    title: 'a second stamp is refused, also after reopening, and changes nothing',
    level: 'durable',
    run: async (context) => {
      await (await context.engine()).stamp(identity);
      const other = { ...identity, nodeId: 4 };
      await refuses(async () => (await context.engine()).stamp(other), 'STORE_ALREADY_BOOTSTRAPPED');
      await context.closeEngine();
      await refuses(async () => (await context.engine()).stamp(identity), 'STORE_ALREADY_BOOTSTRAPPED');
      assert.deepEqual({ ...(await (await context.engine()).identity()) }, identity);
    },
  },
];
