/**
 * What the golden fixture of every persistent store holds: a store of each format that ever was, closed and
 * packed into files beside its tests, which every later version opens and finds whole.
 * @packageDocumentation
 */
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { Entry, EntryType, type Engine } from '@balsa/raft-core';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const confState = {
  voters: [1, 2, 3],
  votersOutgoing: [],
  learners: [4],
  learnersNext: [],
  autoLeave: false,
};
const identity = {
  clusterId: '0123456789abcdef',
  nodeId: 2,
  incarnation: 'fedcba9876543210',
  maxEntryBytes: 100_000,
};

function goldenEntries(first: number, last: number, term: number): Entry[] {
  return Array.from({ length: last - first + 1 }, (_, i) => {
    const index = first + i;
    const type = index === 7 ? EntryType.ConfChangeV2 : EntryType.Normal;
    const data = bytes(`entry ${String(index)} of term ${String(term)} `.repeat(index === 9 ? 300 : 1));
    return new Entry(term, index, type, data, index % 4 === 0 ? bytes('context') : undefined);
  });
}

/** Pairs of two stores: one with many, of which some were deleted, and one with the odd ones. */
function goldenPairs(): Readonly<Record<string, (readonly [string, string])[]>> {
  const many = Array.from(
    { length: 200 },
    (_, i) => [`key ${String(i).padStart(3, '0')}`, `value ${String(i * i)}`] as const,
  );
  return {
    kv: many.filter((_, i) => i % 10 !== 3),
    odd: [
      ['\0', ''],
      ['long', 'x'.repeat(9000)],
    ],
  };
}

/** Fills an empty engine by every call that leaves something on disk. */
export async function writeGolden(engine: Engine): Promise<void> {
  await engine.stamp(identity);
  for (const id of ['main', 'gr\u00fcppe \ud800']) {
    const storage = engine.group(id);
    await storage.open();
    await storage.write({ entries: goldenEntries(1, 12, 1), hardState: { term: 1, vote: 2, commit: 8 } });
    await storage.write({ confState: { index: 7, state: confState } });
    await storage.write({ entries: goldenEntries(11, 14, 3), hardState: { term: 3, vote: 1, commit: 11 } });
    await storage.compactTo(5);
    const writer = await storage.createSnapshot({ index: 8, term: 1, confState });
    await writer.write(bytes('first chunk'));
    await writer.write(bytes('second chunk'));
    await writer.commit();
    while (await storage.maintain());
  }
  for (const [name, pairs] of Object.entries(goldenPairs())) {
    const store = engine.orderedStore(name);
    await store.open();
    await store.write({ changes: pairs.map(([key]) => [bytes(key), bytes('before')]), appliedIndex: 5 });
    await store.write({ changes: [[bytes('key 003'), bytes('to be deleted')]], appliedIndex: 6 });
    const deletion = [[bytes('key 003'), undefined]] as const;
    await store.write({
      changes: [...pairs.map(([key, value]) => [bytes(key), bytes(value)] as const), ...deletion],
      appliedIndex: 11,
    });
    await store.sync();
  }
}

/** All that can be read, to be compared with `expectedGolden`. */
export async function readGolden(engine: Engine): Promise<unknown> {
  const groups: Record<string, unknown> = {};
  for (const id of await engine.listGroups()) {
    const storage = engine.group(id);
    const { hardState, confState: conf, firstIndex, lastIndex, outline, snapshot } = await storage.open();
    const entries = await storage.entries(firstIndex, lastIndex + 1, 1e9);
    const reader = await storage.openSnapshot(snapshot?.id ?? 'none');
    const chunks = [await reader.chunk(0), await reader.chunk(1)].map((chunk) =>
      Buffer.from(chunk).toString(),
    );
    await reader.close();
    groups[id] = { hardState, conf, firstIndex, boundary: outline.boundary, entries, chunks };
  }
  const stores: Record<string, unknown> = {};
  for (const name of Object.keys(goldenPairs())) {
    const store = engine.orderedStore(name);
    const { appliedIndex } = await store.open();
    const pairs = await store.range({ limit: 1000 });
    const texts = pairs.map(({ key, value }) => [Buffer.from(key).toString(), Buffer.from(value).toString()]);
    stores[name] = { appliedIndex, count: await store.count(), texts };
  }
  return { identity: await engine.identity(), groups, stores };
}

/** What `readGolden` gives of a store that kept all of it. */
export function expectedGolden(): unknown {
  const group = {
    hardState: { term: 3, vote: 1, commit: 11 },
    conf: { index: 7, state: confState },
    firstIndex: 6,
    boundary: { index: 5, term: 1 },
    entries: [...goldenEntries(6, 10, 1), ...goldenEntries(11, 14, 3)],
    chunks: ['first chunk', 'second chunk'],
  };
  const stores = Object.fromEntries(
    Object.entries(goldenPairs()).map(([name, texts]) => [
      name,
      { appliedIndex: 11, count: texts.length, texts },
    ]),
  );
  return { identity, groups: { main: group, 'gr\u00fcppe \ud800': group }, stores };
}

/** Compresses each file of the closed store in `directory` into `to`; `left` names files that stay behind. */
export function packFixture(directory: string, to: string, left: readonly string[] = []): void {
  for (const item of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    if (!item.isFile() || left.includes(item.name)) continue;
    const file = join(item.parentPath, item.name);
    const packed = join(to, `${relative(directory, file)}.gz`);
    mkdirSync(dirname(packed), { recursive: true });
    writeFileSync(packed, gzipSync(readFileSync(file), { level: 9 }));
  }
}

/** The other way round. */
export function unpackFixture(from: string, directory: string): void {
  for (const item of readdirSync(from, { recursive: true, withFileTypes: true })) {
    if (!item.isFile()) continue;
    const file = join(item.parentPath, item.name);
    const to = join(directory, relative(from, file).replace(/\.gz$/, ''));
    mkdirSync(dirname(to), { recursive: true });
    writeFileSync(to, gunzipSync(readFileSync(file)));
  }
}
