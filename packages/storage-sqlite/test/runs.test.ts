/** Entries that were written together lie in one row, and what an append changes lies with them. */
import { cpSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { Entry, EntryType, type Storage } from '@balsa/raft-core';
import { openSqliteEngine, type SqliteEngineOptions } from '@balsa/storage-sqlite';
import { describe, expect, test } from 'vitest';
import { entries, entry, env, openEngine, openGroup, temporaryDirectory } from './support/index.ts';

const everything = Number.MAX_SAFE_INTEGER;

interface StoredRow {
  readonly idx: number;
  readonly bytes: number | null;
}

function query<T>(directory: string, sql: string): T[] {
  const db = new Database(join(directory, 'log.db'), { readonly: true });
  try {
    return db.prepare(sql).all() as T[];
  } finally {
    db.close();
  }
}

const rowsOf = (directory: string): StoredRow[] =>
  query(directory, 'SELECT idx, length(body) AS bytes FROM log_1 ORDER BY idx');

const groupRow = (
  directory: string,
): { sequence: number; commit_index: number; last_index: number } | undefined =>
  query<{ sequence: number; commit_index: number; last_index: number }>(directory, 'SELECT * FROM groups')[0];

/** The files as a power cut right now would leave them, for what is durable. */
function crashed(directory: string): string {
  const copy = temporaryDirectory();
  for (const name of readdirSync(directory)) {
    if (!name.endsWith('-shm') && !name.startsWith('owner'))
      cpSync(join(directory, name), join(copy, name), { recursive: true });
  }
  return copy;
}

/** What an engine that opens the files as they are now finds in group g, without touching them. */
async function found(directory: string): Promise<{ log: Entry[]; commit: number; term: number }> {
  const engine = await openSqliteEngine({ directory: crashed(directory), env });
  try {
    const storage = engine.group('g');
    const { firstIndex, lastIndex, hardState } = await storage.open();
    const log = await storage.entries(firstIndex, lastIndex + 1, everything);
    return { log, commit: hardState.commit, term: hardState.term };
  } finally {
    await engine.close();
  }
}

const commit = (index: number, term = 1): { term: number; vote: number; commit: number } => ({
  term,
  vote: 1,
  commit: index,
});

const withContext = (index: number, term: number, data: number[], context: number[]): Entry =>
  new Entry(term, index, EntryType.Normal, Uint8Array.from(data), Uint8Array.from(context));

async function group(
  options: Partial<SqliteEngineOptions> = {},
): Promise<{ directory: string; storage: Storage }> {
  const directory = temporaryDirectory();
  const engine = await openEngine(directory, options);
  return { directory, storage: await openGroup(engine) };
}

describe('a write of entries', () => {
  test('is one row, and leaves the row of the group alone', async () => {
    const { directory, storage } = await group();
    await storage.write({ entries: entries(1, 5), hardState: commit(0) });
    const before = groupRow(directory);
    await storage.write({ entries: entries(6, 7), hardState: commit(4) });
    await storage.write({ entries: entries(13, 1) });
    expect(rowsOf(directory).map(({ idx }) => idx)).toEqual([5, 12, 13]);
    expect(groupRow(directory)).toEqual(before);
    expect(await found(directory)).toEqual({ log: entries(1, 13), commit: 4, term: 1 });
  });

  test('is stored in the row of the group with the next change of another kind', async () => {
    const { directory, storage } = await group();
    await storage.write({ entries: entries(1, 5), hardState: commit(0) });
    await storage.write({ entries: entries(6, 5), hardState: commit(7) });
    await storage.write({ hardState: commit(9) });
    expect(groupRow(directory)).toMatchObject({ commit_index: 9, last_index: 10, sequence: 3 });
    await storage.write({ entries: entries(11, 1) });
    await storage.write({ entries: entries(12, 1, 2), hardState: commit(10, 2) });
    expect(groupRow(directory)).toMatchObject({ commit_index: 10, last_index: 12, sequence: 5 });
    expect(await found(directory)).toMatchObject({ commit: 10, term: 2, log: { length: 12 } });
  });

  test('is stored in the row of the group before the database file gets it', async () => {
    const { directory, storage } = await group({ checkpointBytes: 4096 });
    await storage.write({ entries: entries(1, 1), hardState: commit(0) });
    const payload = new Uint8Array(60_000).fill(1);
    for (let index = 2; index <= 200; index++) {
      await storage.write({ entries: [entry(index, 1, payload)] });
      // Until all of the write-ahead log is copied.
      if (index % 90 === 0) while (await storage.maintain());
    }
    expect(groupRow(directory)?.last_index).toBe(180);
    expect((await found(directory)).log).toHaveLength(200);
  });

  test('is stored in the row of the group by closing', async () => {
    const directory = temporaryDirectory();
    const engine = await openEngine(directory);
    const storage = await openGroup(engine);
    await storage.write({ entries: entries(1, 1), hardState: commit(0) });
    await storage.write({ entries: entries(2, 9), hardState: commit(8) });
    await engine.close();
    expect(groupRow(directory)).toMatchObject({ commit_index: 8, last_index: 10, sequence: 2 });
  });

  test('beyond the bounds is several rows, and any part of it can be read', async () => {
    const { directory, storage } = await group();
    const written = Array.from({ length: 3000 }, (_, i) =>
      entry(i + 1, 1, new Uint8Array(i % 1000 === 7 ? 200_000 : i % 90).fill(i)),
    );
    await storage.write({ entries: written });
    const rows = rowsOf(directory);
    expect(rows.length).toBeGreaterThan(5);
    expect(rows.length).toBeLessThan(15);
    for (const [low, high] of [
      [1, 3001],
      [8, 9],
      [7, 10],
      [1008, 1009],
      [1020, 1900],
      [2999, 3001],
      [3000, 3001],
    ] as const) {
      const read: Entry[] = [];
      while (low + read.length < high)
        read.push(...(await storage.entries(low + read.length, high, everything)));
      expect(read).toEqual(written.slice(low - 1, high - 1));
    }
  });

  test('keeps contexts, empty payloads and the largest numbers', async () => {
    const { directory, storage } = await group();
    const term = Number.MAX_SAFE_INTEGER;
    const written = [
      withContext(1, 1, [], [1, 2]),
      withContext(2, term - 1, [3], []),
      withContext(3, term, [4, 5], [6]),
    ];
    await storage.write({ entries: written, hardState: { term, vote: 1, commit: 0 } });
    await storage.write({ entries: [withContext(4, term, [], [7])] });
    await storage.write({ entries: [withContext(5, term, [], [])] });
    const { log } = await found(directory);
    expect(log.map(({ index, term: of, data, context }) => [index, of, [...data], [...context]])).toEqual([
      [1, 1, [], [1, 2]],
      [2, term - 1, [3], []],
      [3, term, [4, 5], [6]],
      [4, term, [], [7]],
      [5, term, [], []],
    ]);
  });
});

describe('entries that are replaced', () => {
  test.each([1, 2, 3, 4, 5, 6, 7, 9, 10])('from %i on leave what stands before them', async (from) => {
    const { directory, storage } = await group();
    for (const first of [1, 4, 7]) await storage.write({ entries: entries(first, 3), hardState: commit(0) });
    await storage.write({ entries: entries(10, 1) });
    await storage.write({ entries: entries(from, 2, 2), hardState: commit(0, 2) });
    await storage.write({ entries: entries(from + 2, 2, 2) });
    const expected = [...entries(1, from - 1), ...entries(from, 4, 2)];
    expect(await storage.entries(1, from + 4, everything)).toEqual(expected);
    expect((await found(directory)).log).toEqual(expected);
  });

  test.each([3, 4, 5, 6, 7, 8, 9])('from %i on behind a boundary inside a run', async (from) => {
    const { directory, storage } = await group();
    for (const first of [1, 6]) await storage.write({ entries: entries(first, 5), hardState: commit(2) });
    await storage.compactTo(2);
    await storage.write({ entries: entries(from, 2, 2), hardState: commit(2, 2) });
    await storage.write({ entries: entries(from + 2, 1, 2), hardState: commit(from, 2) });
    const expected = [...entries(3, from - 3), ...entries(from, 3, 2)];
    expect(await found(directory)).toEqual({ log: expected, commit: from, term: 2 });
    await storage.compactTo(from);
    while (await storage.maintain());
    expect((await found(directory)).log).toEqual(entries(from + 1, 2, 2));
  });
});

describe('a compaction', () => {
  test('to any index leaves what lies behind it, and the run that it cuts', async () => {
    const { directory, storage } = await group();
    for (const first of [1, 6, 11]) await storage.write({ entries: entries(first, 5), hardState: commit(0) });
    await storage.write({ hardState: commit(15) });
    for (let index = 1; index <= 15; index++) {
      await storage.compactTo(index);
      while (await storage.maintain());
      expect((await found(directory)).log, String(index)).toEqual(entries(index + 1, 15 - index));
      const kept = [5, 10, 15].filter((last) => last > index);
      expect(rowsOf(directory).map(({ idx }) => idx)).toEqual(kept);
      expect((await storage.stats()).garbageBytes).toBeLessThan(100_000);
    }
    await storage.write({ entries: entries(16, 3), hardState: commit(16) });
    expect(await found(directory)).toEqual({ log: entries(16, 3), commit: 16, term: 1 });
  });
});
