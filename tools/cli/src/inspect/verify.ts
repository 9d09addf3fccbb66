/** Reads everything, so that every checksum is checked. */
import { crc32 } from 'node:zlib';
import {
  BalsaError,
  type Engine,
  type OrderedStore,
  type Storage,
  type StoredSnapshot,
} from '@balsa/raft-core';
import type { Looked } from './look.ts';
import { problemOf, type ProblemReport, type VerifiedReport } from './report.ts';

const pageBytes = 4 * 1024 * 1024;
const pagePairs = 4096;
/** Problems told of one part: damage that is everywhere has been said by then. */
const mostProblems = 10;

export interface Verification {
  readonly verified: VerifiedReport;
  readonly problems: readonly ProblemReport[];
}

export async function verify(
  engine: Engine,
  { opened, stores, groups }: Looked,
  onProgress: (done: number, total: number) => void,
): Promise<Verification> {
  const count = { entries: 0, chunks: 0, pairs: 0 };
  const problems: ProblemReport[] = [];
  const total = [
    ...groups.map(
      ({ log, snapshots }) => log.entries + snapshots.reduce((sum, { chunks }) => sum + chunks, 0),
    ),
    ...stores.map(({ pairs }) => pairs),
  ].reduce((sum, one) => sum + one, 0);
  const read = (what: keyof typeof count, number: number): void => {
    count[what] += number;
    onProgress(count.entries + count.chunks + count.pairs, total);
  };
  for (const { storage, state } of opened) {
    const where = `group ${storage.groupId}`;
    const damage = (error: unknown): void => void problems.push(problemOf(error, where));
    await readEntries(storage, state.firstIndex, state.lastIndex, (n) => read('entries', n), damage);
    for (const snapshot of await storage.listSnapshots())
      await collecting(damage, () => readSnapshot(storage, snapshot, () => read('chunks', 1)));
  }
  for (const { name } of stores) {
    const damage = (error: unknown): void => void problems.push(problemOf(error, `ordered store ${name}`));
    await collecting(damage, () => readPairs(engine.orderedStore(name), name, (n) => read('pairs', n)));
  }
  return { verified: count, problems };
}

async function collecting(damage: (error: unknown) => void, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    damage(error);
  }
}

/** Page by page; where a page fails one by one, so that what lies behind damage is read as well. */
async function readEntries(
  storage: Storage,
  first: number,
  last: number,
  read: (entries: number) => void,
  damage: (error: unknown) => void,
): Promise<void> {
  let found = 0;
  let single = false;
  for (let at = first; at <= last && found < mostProblems;) {
    try {
      const page = await storage.entries(at, single ? at + 1 : last + 1, pageBytes);
      read(page.length);
      at += page.length;
    } catch (error) {
      if (single) {
        damage(error);
        found++;
        at++;
      }
      single = !single;
    }
  }
}

async function readSnapshot(
  storage: Storage,
  { id, ...told }: StoredSnapshot,
  read: () => void,
): Promise<void> {
  const reader = await storage.openSnapshot(id);
  try {
    let [bytes, checksum] = [0, 0];
    for (let n = 0; n < told.chunkCount; n++) {
      const chunk = await reader.chunk(n);
      bytes += chunk.length;
      checksum = crc32(chunk, checksum);
      read();
    }
    if (bytes === told.bytes && checksum === told.checksum) return;
    throw new BalsaError(
      'STORE_CORRUPT',
      `the chunks of the snapshot at index ${told.metadata.index} are whole, but not those that it was made of`,
    );
  } finally {
    await reader.close();
  }
}

async function readPairs(store: OrderedStore, name: string, read: (pairs: number) => void): Promise<void> {
  const expected = await store.count();
  let found = 0;
  let gt: Uint8Array | undefined;
  for (;;) {
    const page = await store.range({ ...(gt && { gt }), limit: pagePairs, maxBytes: pageBytes });
    gt = page.at(-1)?.key;
    if (gt === undefined) break;
    found += page.length;
    read(page.length);
  }
  if (found === expected) return;
  throw new BalsaError(
    'STORE_CORRUPT',
    `the ordered store ${name} gives ${found} pairs, and says that it has ${expected}`,
  );
}
