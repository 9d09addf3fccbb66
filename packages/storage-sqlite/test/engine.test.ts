import { describe, expect, test } from 'vitest';
import { entries, entry, env, key, openEngine, openGroup, temporaryDirectory } from './support/index.ts';

describe('a store on SQLite', () => {
  test('keeps entries, hard state and conf state over a reopening', async () => {
    const directory = temporaryDirectory();
    const confState = {
      index: 2,
      state: { voters: [1, 2], votersOutgoing: [], learners: [3], learnersNext: [], autoLeave: false },
    };
    const engine = await openEngine(directory);
    const storage = await openGroup(engine);
    await storage.write({ entries: entries(1, 5), hardState: { term: 1, vote: 2, commit: 3 }, confState });
    await storage.write({ entries: [entry(4, 2)], hardState: { term: 2, vote: 1, commit: 3 } });
    await storage.compactTo(2);
    await engine.close();

    const again = await openEngine(directory);
    const state = await again.group('g').open();
    expect(state).toMatchObject({
      hardState: { term: 2, vote: 1, commit: 3 },
      confState,
      firstIndex: 3,
      lastIndex: 4,
    });
    expect(state.outline.boundary).toEqual({ index: 2, term: 1 });
    expect(await again.group('g').entries(3, 5, 1e9)).toEqual([entry(3, 1), entry(4, 2)]);
  });

  test('shares one transaction between groups that write in one turn', async () => {
    const engine = await openEngine(temporaryDirectory());
    const groups = await Promise.all(['a', 'b', 'c'].map((id) => openGroup(engine, id)));
    await Promise.all(groups.map((group) => group.write({ entries: entries(1, 2) })));
    for (const group of groups) expect(await group.entries(1, 3, 1e9)).toHaveLength(2);
    expect(await engine.listGroups()).toEqual(['a', 'b', 'c']);
  });

  test('a refused write of one group does not hurt the others of the same turn', async () => {
    const engine = await openEngine(temporaryDirectory());
    const [a, b] = [await openGroup(engine, 'a'), await openGroup(engine, 'b')];
    const [good, bad] = await Promise.allSettled([
      a.write({ entries: entries(1, 2) }),
      b.write({ entries: entries(5, 2) }),
    ]);
    expect(good.status).toBe('fulfilled');
    expect(bad).toMatchObject({ status: 'rejected', reason: { code: 'STORE_GAP' } });
    await b.write({ entries: entries(1, 1) });
  });

  test('keeps an installed snapshot pending until its restore is reported', async () => {
    const directory = temporaryDirectory();
    const engine = await openEngine(directory);
    const storage = await openGroup(engine);
    await storage.write({ entries: entries(1, 5), hardState: { term: 1, vote: 0, commit: 2 } });
    const metadata = {
      index: 10,
      term: 3,
      confState: { voters: [1], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false },
    };
    const writer = await storage.receiveSnapshot(metadata);
    await writer.write(key('chunk'));
    const stored = await writer.commit();
    await storage.write({ install: stored.id, hardState: { term: 3, vote: 0, commit: 10 } });
    while (await storage.maintain());
    await engine.close();

    const again = await openEngine(directory);
    const state = await again.group('g').open();
    expect(state).toMatchObject({
      firstIndex: 11,
      lastIndex: 10,
      pendingRestore: { id: stored.id },
      confState: { index: 10 },
    });
    const reader = await again.group('g').openSnapshot(stored.id);
    expect(await reader.chunk(0)).toEqual(key('chunk'));
    await reader.close();
    await again.group('g').write({ restored: stored.id, entries: entries(11, 2, 3) });
    await again.close();
    expect((await (await openEngine(directory)).group('g').open()).pendingRestore).toBeUndefined();
  });

  test('an ordered store keeps what was written, with its applied index', async () => {
    const directory = temporaryDirectory();
    const engine = await openEngine(directory);
    const store = engine.orderedStore('kv');
    expect(await store.open()).toEqual({ appliedIndex: 0 });
    await store.write({
      changes: [
        [key('a'), key('1')],
        [key('b'), key('2')],
      ],
      appliedIndex: 4,
    });
    const view = await store.view();
    await store.write({
      changes: [
        [key('a'), undefined],
        [key('c'), key('')],
      ],
      appliedIndex: 5,
    });
    expect(await store.sync()).toBe(5);
    expect(await view.range({ limit: 10 })).toHaveLength(2);
    expect(view.appliedIndex).toBe(4);
    const restore = await store.beginRestore();
    await restore.put([{ key: key('x'), value: key('y') }]);
    await restore.commit(3);
    expect(await store.range({ limit: 10 })).toEqual([{ key: key('x'), value: key('y') }]);
    expect(await view.range({ limit: 10 })).toHaveLength(2);
    await view.release();
    await engine.close();
    const again = (await openEngine(directory)).orderedStore('kv');
    expect(await again.open()).toEqual({ appliedIndex: 3 });
    expect(await again.count()).toBe(1);
  });

  test('blocks nobody: a write resolves after the present turn', async () => {
    const engine = await openEngine(temporaryDirectory());
    const storage = await openGroup(engine);
    const order: string[] = [];
    const write = storage.write({ entries: entries(1, 1) }).then(() => order.push('write'));
    await Promise.resolve();
    order.push('turn');
    await write;
    expect(order).toEqual(['turn', 'write']);
    expect(env.now()).toBeGreaterThan(0);
  });
});
