/** A small life of a store with every kind of change in it, and what a store holds, as text to compare. */
import { type Engine, type SnapshotMetadata, type Storage } from '@balsa/raft-core';
import { openMemoryEngine, createMemoryDisk } from '@balsa/raft-core/memory';
import { entries, entry, key } from './index.ts';

export interface Step {
  readonly name: string;
  /** One call that changes something: when it is refused, nothing may have changed. */
  readonly single?: boolean;
  readonly run: (engine: Engine) => Promise<unknown>;
}

const conf = (...voters: number[]): SnapshotMetadata['confState'] => ({
  voters,
  votersOutgoing: [],
  learners: [],
  learnersNext: [],
  autoLeave: false,
});

const one = (name: string, run: (engine: Engine) => Promise<unknown>): Step => ({ name, run, single: true });

export async function openAll(engine: Engine): Promise<void> {
  for (const id of ['a', 'b']) await engine.group(id).open();
  await engine.orderedStore('kv').open();
}

async function install(storage: Storage): Promise<void> {
  const writer = await storage.receiveSnapshot({ index: 30, term: 5, confState: conf(1, 2, 3) });
  await writer.write(key('chunk'));
  const { id } = await writer.commit();
  await storage.write({ install: id, hardState: { term: 5, vote: 0, commit: 30 } });
}

export const steps: readonly Step[] = [
  one('stamp', (e) =>
    e.stamp({ clusterId: '1'.repeat(16), nodeId: 1, incarnation: '2'.repeat(16), maxEntryBytes: 1024 }),
  ),
  one('append', (e) =>
    e.group('a').write({ entries: entries(1, 6), hardState: { term: 1, vote: 1, commit: 2 } }),
  ),
  one('commit', (e) =>
    e
      .group('a')
      .write({ hardState: { term: 1, vote: 1, commit: 4 }, confState: { index: 1, state: conf(1, 2) } }),
  ),
  one('another group', (e) =>
    e.group('b').write({ entries: entries(1, 3, 2), hardState: { term: 2, vote: 2, commit: 0 } }),
  ),
  one('truncate', (e) =>
    e.group('a').write({ entries: [entry(5, 3), entry(6, 3)], hardState: { term: 3, vote: 2, commit: 5 } }),
  ),
  one('put', (e) =>
    e.orderedStore('kv').write({
      changes: [
        [key('x'), key('1')],
        [key('y'), key('2')],
      ],
      appliedIndex: 4,
    }),
  ),
  one('sync', (e) => e.orderedStore('kv').sync()),
  one('put more', (e) =>
    e.orderedStore('kv').write({
      changes: [
        [key('x'), undefined],
        [key('z'), key('3')],
      ],
      appliedIndex: 5,
    }),
  ),
  one('compact', (e) => e.group('a').compactTo(4)),
  one('large', (e) => e.group('a').write({ entries: entries(7, 2, 3, 'L'.repeat(900)) })),
  one('large again', (e) =>
    e
      .group('a')
      .write({ entries: entries(9, 3, 3, 'M'.repeat(900)), hardState: { term: 3, vote: 2, commit: 9 } }),
  ),
  one('in a new segment', (e) =>
    e
      .group('a')
      .write({ entries: entries(12, 3, 4, 'N'.repeat(900)), hardState: { term: 4, vote: 1, commit: 11 } }),
  ),
  one('compact most', (e) => e.group('a').compactTo(11)),
  {
    name: 'maintain',
    run: async (e) => {
      for (let i = 0; i < 20 && (await e.group('a').maintain()); i++);
    },
  },
  { name: 'install', run: (e) => install(e.group('b')) },
  one('after install', (e) => e.group('b').write({ entries: entries(31, 2, 5) })),
  {
    name: 'restore',
    run: async (e) => {
      const restore = await e.orderedStore('kv').beginRestore();
      await restore.put([{ key: key('r'), value: key('9') }]);
      await restore.commit(3);
    },
  },
  one('put after restore', (e) =>
    e.orderedStore('kv').write({ changes: [[key('s'), key('8')]], appliedIndex: 7 }),
  ),
  one('last', (e) =>
    e.group('a').write({ entries: entries(15, 1, 4), hardState: { term: 4, vote: 1, commit: 12 } }),
  ),
];

/** Everything in the log: identity and groups. Opens what is not open. */
export async function fingerprint(engine: Engine): Promise<string> {
  const found: unknown[] = [await engine.identity()];
  for (const id of ['a', 'b']) {
    const state = await engine.group(id).open();
    const all = await engine.group(id).entries(state.firstIndex, state.lastIndex + 1, Infinity);
    const { hardState, confState, outline, pendingRestore } = state;
    found.push(hardState, confState, outline, pendingRestore?.metadata);
    found.push(
      all.map(({ index, term, type, data }) => [index, term, type, Buffer.from(data).toString('latin1')]),
    );
  }
  return JSON.stringify(found);
}

export async function orderedFingerprint(engine: Engine): Promise<string> {
  const store = engine.orderedStore('kv');
  const { appliedIndex } = await store.open();
  const pairs = await store.range({ limit: 1000 });
  const text = pairs.map((pair) => [Buffer.from(pair.key).toString(), Buffer.from(pair.value).toString()]);
  return JSON.stringify([appliedIndex, await store.count(), text]);
}

export interface Expected {
  /** After so many steps. */
  readonly log: string[];
  readonly ordered: string[];
}

/** What the reference model holds after each number of steps. */
export async function expectations(): Promise<Expected> {
  const disk = createMemoryDisk();
  const expected: Expected = { log: [], ordered: [] };
  for (let count = 0; count <= steps.length; count++) {
    const engine = openMemoryEngine({ disk });
    const step = steps[count - 1];
    if (step !== undefined) {
      await openAll(engine);
      await step.run(engine);
      await engine.orderedStore('kv').sync();
      await engine.close();
    }
    const again = step === undefined ? engine : openMemoryEngine({ disk });
    expected.log.push(await fingerprint(again));
    expected.ordered.push(await orderedFingerprint(again));
    await again.close();
  }
  return expected;
}
