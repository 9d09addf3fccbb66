/** What checksums of single pairs cannot tell: pages of another time or place, and a write-ahead log that lost its end. */
import { createHash } from 'node:crypto';
import { cpSync, existsSync, readFileSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { openSqliteEngine, verifySqliteStore } from '@balsa/storage-sqlite';
import { describe, expect, test } from 'vitest';
import { Child } from './support/child.ts';
import {
  entries,
  env,
  key,
  openEngine,
  openGroup,
  openInMode,
  rounds,
  temporaryDirectory,
  worker,
} from './support/index.ts';
import { seededRandom } from './support/random.ts';

const seed = Number(process.env['BALSA_SEED'] ?? 20261124);
const pageBytes = 4096;

/** Every file below a directory, with a digest of its bytes. */
function contents(directory: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const item of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    const path = join(item.parentPath, item.name);
    found[path.slice(directory.length)] = item.isFile()
      ? createHash('sha256').update(readFileSync(path)).digest('hex')
      : 'a folder';
  }
  return found;
}

/** Opening and verifying are refused with one of the codes, and no byte changes. */
async function refusedUntouched(directory: string, codes: RegExp): Promise<void> {
  const before = contents(directory);
  await expect(openSqliteEngine({ directory, env, worker: !worker })).rejects.toMatchObject({
    code: expect.stringMatching(codes) as string,
  });
  await expect(openInMode({ directory, env })).rejects.toMatchObject({
    code: expect.stringMatching(codes) as string,
  });
  await expect(verifySqliteStore({ directory, env })).rejects.toMatchObject({
    code: expect.stringMatching(codes) as string,
  });
  expect(contents(directory)).toEqual(before);
}

const text = (number: number, round: number): Uint8Array =>
  key(`${String(round)} of ${String(number)} `.repeat(20));

/** A closed store whose file has many leaves, and the same file one round of changes earlier. */
async function twoTimes(): Promise<{
  readonly directory: string;
  readonly older: Buffer;
  readonly newer: Buffer;
}> {
  const directory = temporaryDirectory();
  const path = join(directory, 'state-1.db');
  const files: Buffer[] = [];
  for (const round of [1, 2]) {
    const engine = await openEngine(directory);
    const store = engine.orderedStore('kv');
    await store.open();
    const numbers = Array.from({ length: 400 }, (_, i) => i);
    await store.write({
      changes: numbers.map((n) => [key(`key ${String(n).padStart(4, '0')}`), text(n, round)] as const),
      appliedIndex: round,
    });
    await engine.close();
    files.push(readFileSync(path));
  }
  const [older = Buffer.alloc(0), newer = Buffer.alloc(0)] = files;
  return { directory, older, newer };
}

const pageOf = (file: Buffer, n: number): Buffer => file.subarray(n * pageBytes, (n + 1) * pageBytes);

/** What becomes of a store whose file has these bytes: the code of the refusal, or whether all of it is true. */
async function outcomeWith(kept: string, file: Buffer): Promise<unknown> {
  const directory = temporaryDirectory();
  cpSync(kept, directory, { recursive: true });
  writeFileSync(join(directory, 'state-1.db'), file);
  try {
    await using engine = await openInMode({ directory, env });
    const store = engine.orderedStore('kv');
    const { appliedIndex } = await store.open();
    const pairs = await store.range({ limit: 1000 });
    const isTrue = pairs.every(({ value }, n) => Buffer.compare(value, text(n, 2)) === 0);
    return isTrue && pairs.length === 400 && (await store.count()) === 400 && appliedIndex === 2;
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
}

describe('the file of the logs', () => {
  /** Four groups, of which one stands still; the file as a close has left it, and as it was one close earlier. */
  async function twoLogs(): Promise<{ directory: string; older: Buffer; newer: Buffer }> {
    const directory = temporaryDirectory();
    const files: Buffer[] = [];
    for (const round of [0, 1]) {
      const engine = await openEngine(directory);
      for (const id of ['a', 'b', 'c', 'still'].slice(0, 4 - round)) {
        const storage = await openGroup(engine, id);
        for (let i = 0; i < 30; i++) {
          const first = (round * 30 + i) * 2 + 1;
          const written = entries(first, 2, 1, new Uint8Array(500).fill(i));
          await storage.write({ entries: written, hardState: { term: 1, vote: 1, commit: first } });
        }
      }
      await engine.close();
      files.push(readFileSync(join(directory, 'log.db')));
    }
    const [older = Buffer.alloc(0), newer = Buffer.alloc(0)] = files;
    return { directory, older, newer };
  }

  test('with one page of an earlier time is refused, whichever page it is, or gives the truth', async () => {
    const { directory, older, newer } = await twoLogs();
    let refused = 0;
    for (let n = 0; n < older.length / pageBytes; n++) {
      if (pageOf(older, n).equals(pageOf(newer, n))) continue;
      const mixed = Buffer.from(newer);
      pageOf(older, n).copy(mixed, n * pageBytes);
      const copy = temporaryDirectory();
      cpSync(directory, copy, { recursive: true });
      writeFileSync(join(copy, 'log.db'), mixed);
      try {
        await using engine = await openInMode({ directory: copy, env });
        for (const [id, last] of [
          ['a', 120],
          ['b', 120],
          ['c', 120],
          ['still', 60],
        ] as const) {
          const { lastIndex, hardState } = await engine.group(id).open();
          expect([lastIndex, hardState.commit], `page ${String(n)}, group ${id}`).toEqual([last, last - 1]);
        }
      } catch (error) {
        expect(error).toMatchObject({ code: expect.stringMatching(/^STORE_(CORRUPT|ACK)/) as string });
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(3);
  });
});

describe('the file of an ordered store', () => {
  test('with one page of an earlier time is refused, whichever page it is, or gives the truth', async () => {
    const { directory, older, newer } = await twoTimes();
    const pages = Math.min(older.length, newer.length) / pageBytes;
    let refused = 0;
    for (let n = 0; n < pages; n++) {
      if (pageOf(older, n).equals(pageOf(newer, n))) continue;
      const mixed = Buffer.from(newer);
      pageOf(older, n).copy(mixed, n * pageBytes);
      const outcome = await outcomeWith(directory, mixed);
      // Of the first page only counters of SQLite's own change.
      expect(['STORE_CORRUPT', 'STORE_ACKNOWLEDGED_WRITE_LOST', n === 0], `page ${String(n)}`).toContain(
        outcome,
      );
      if (outcome !== true) refused++;
    }
    expect(refused).toBeGreaterThan(20);
  });

  test(`with a page at another place is refused, or gives the truth (seed ${String(seed)})`, async () => {
    const { directory, newer } = await twoTimes();
    const random = seededRandom(seed);
    const pages = newer.length / pageBytes;
    let refused = 0;
    for (let i = 0; i < rounds(40); i++) {
      const [from, to] = [1 + Math.floor(random() * (pages - 1)), 1 + Math.floor(random() * (pages - 1))];
      if (pageOf(newer, from).equals(pageOf(newer, to))) continue;
      const mixed = Buffer.from(newer);
      pageOf(newer, from).copy(mixed, to * pageBytes);
      const outcome = await outcomeWith(directory, mixed);
      // True of a free page, or one of the pointer map, which reading does not need.
      expect([true, 'STORE_CORRUPT'], `page ${String(from)} at ${String(to)}`).toContain(outcome);
      if (outcome !== true) refused++;
    }
    expect(refused).toBeGreaterThan(rounds(20));
  });

  test('that is an older one as a whole is noticed by the mark beside it', async () => {
    const { directory, older } = await twoTimes();
    writeFileSync(join(directory, 'state-1.db'), older);
    await refusedUntouched(directory, /^STORE_ACKNOWLEDGED_WRITE_LOST$/);
  });

  test.each(['state-1.db', 'state-1.db.mark'])('is refused without %s', async (name) => {
    const { directory } = await twoTimes();
    rmSync(join(directory, name));
    await refusedUntouched(directory, /^STORE_CORRUPT$/);
  });

  test('of which a live page went bad is never read as if another key were meant', async () => {
    const { directory, newer } = await twoTimes();
    const engine = await openEngine(directory);
    const path = join(directory, 'state-1.db');
    // All leaves become one: each pair is whole, and most are not where they belong.
    const leaf = newer.indexOf('key 0200');
    const first = newer.indexOf('key 0001');
    const mixed = Buffer.from(newer);
    const [from, to] = [Math.floor(first / pageBytes), Math.floor(leaf / pageBytes)];
    pageOf(newer, from).copy(mixed, to * pageBytes);
    writeFileSync(path, mixed);
    const store = engine.orderedStore('kv');
    await store.open();
    await expect(store.range({ limit: 1000 })).rejects.toMatchObject({ code: 'STORE_CORRUPT' });
  });
});

describe('a write-ahead log of an ordered store that lost its end', () => {
  test(`is refused when what was synced was in it, and only then (seed ${String(seed)})`, async () => {
    const directory = temporaryDirectory();
    const child = new Child('apply', directory);
    await child.until((lines) => lines.some((line) => line.startsWith('unsynced ')));
    await child.kill();
    const synced = Number(child.lines.find((line) => line.startsWith('synced '))?.slice(7));
    const wal = readFileSync(join(directory, 'state-1.db-wal'));
    const random = seededRandom(seed);
    const kept = temporaryDirectory();
    cpSync(directory, kept, { recursive: true });
    const outcomes = new Set<string>();
    for (let i = 0; i < rounds(40); i++) {
      for (const name of readdirSync(directory)) rmSync(join(directory, name), { recursive: true });
      cpSync(kept, directory, { recursive: true });
      const path = join(directory, 'state-1.db-wal');
      const at = Math.floor(random() * wal.length);
      if (i % 2 === 0) {
        truncateSync(path, at);
      } else {
        const bytes = Buffer.from(wal);
        bytes[at] = (bytes[at] ?? 0) ^ (1 << Math.floor(random() * 8));
        writeFileSync(path, bytes);
      }
      const before = contents(directory);
      try {
        const engine = await openInMode({ directory, env });
        const { appliedIndex } = await engine.orderedStore('kv').open();
        await engine.close();
        expect(appliedIndex, `byte ${String(at)}`).toBeGreaterThanOrEqual(synced);
        outcomes.add('opened');
      } catch (error) {
        expect(error).toMatchObject({ code: expect.stringMatching(/LOST|CORRUPT/) as string });
        expect(contents(directory)).toEqual(before);
        outcomes.add('refused');
      }
    }
    expect([...outcomes].sort()).toEqual(['opened', 'refused']);
  });
});

describe('data that are refused stay byte for byte what they were', () => {
  async function closed(): Promise<string> {
    const directory = temporaryDirectory();
    const engine = await openEngine(directory);
    const storage = await openGroup(engine);
    for (let first = 1; first <= 50; first += 10)
      await storage.write({ entries: entries(first, 10), hardState: { term: 1, vote: 1, commit: 9 } });
    const store = engine.orderedStore('kv');
    await store.open();
    await store.write({ changes: [[key('a'), key('b')]], appliedIndex: 3 });
    await engine.close();
    return directory;
  }

  test('a database of something else, where nothing of ours was before', async () => {
    const directory = temporaryDirectory();
    const other = new Database(join(directory, 'log.db'));
    other.pragma('journal_mode = WAL');
    other.exec('CREATE TABLE customers (id INTEGER)');
    other.close();
    await refusedUntouched(directory, /^STORE_(FORMAT_VERSION|CORRUPT)$/);
    expect(existsSync(join(directory, 'owner.db'))).toBe(false);
  });

  test('a store of a later format', async () => {
    const directory = await closed();
    const db = new Database(join(directory, 'state-1.db'));
    db.pragma('user_version = 3');
    db.close();
    await refusedUntouched(directory, /^STORE_FORMAT_VERSION$/);
  });

  test.each([
    ['gone', 'DELETE FROM log_1 WHERE idx = 20'],
    ['gone, at the end of the log', 'DELETE FROM log_1 WHERE idx = 50'],
    ['gone, at the beginning of the log', 'DELETE FROM log_1 WHERE idx = 10'],
    ['in another place', 'UPDATE log_1 SET idx = 60 WHERE idx = 50'],
    ['cut short', 'UPDATE log_1 SET head = substr(head, 1, 100) WHERE idx = 30'],
    ['empty', "UPDATE log_1 SET head = x'' WHERE idx = 30"],
    ['of another chain', 'UPDATE log_1 SET chain = chain + 1 WHERE idx = 50'],
    ['twice there', 'INSERT INTO log_1 SELECT idx + 10, chain, head, body FROM log_1 WHERE idx = 50'],
  ])('entries whose row is %s', async (_, sql) => {
    const directory = await closed();
    const db = new Database(join(directory, 'log.db'));
    db.exec(sql);
    db.close();
    await refusedUntouched(directory, /^STORE_CORRUPT$/);
  });

  test('files that a killed process left, with a log that lost its end', async () => {
    const directory = temporaryDirectory();
    const child = new Child('fill', directory);
    await child.said('filled');
    await child.kill();
    truncateSync(join(directory, 'log.db-wal'), 60_000);
    await refusedUntouched(directory, /^STORE_ACKNOWLEDGED_WRITE_LOST$/);
  });

  test('a store that is found whole, too, with its identity, while it is only verified', async () => {
    const directory = await closed();
    const before = contents(directory);
    expect(await verifySqliteStore({ directory, env })).toBeUndefined();
    expect(contents(directory)).toEqual(before);
    const engine = await openEngine(directory);
    const identity = {
      clusterId: '0123456789abcdef',
      nodeId: 1,
      incarnation: 'fedcba9876543210',
      maxEntryBytes: 9999,
    };
    await engine.stamp(identity);
    await expect(verifySqliteStore({ directory, env })).rejects.toMatchObject({ code: 'STORE_LOCKED' });
    await engine.close();
    expect(await verifySqliteStore({ directory, env })).toEqual(identity);
    expect(await verifySqliteStore({ directory: join(directory, 'none'), env })).toBeUndefined();
  });

  test('a payload that is damaged is found by verifying, before an entry is asked for', async () => {
    const directory = await closed();
    const path = join(directory, 'log.db');
    const bytes = readFileSync(path);
    const at = bytes.indexOf('data-13');
    bytes[at + 2] = (bytes[at + 2] ?? 0) ^ 4;
    writeFileSync(path, bytes);
    const before = contents(directory);
    await expect(verifySqliteStore({ directory, env })).rejects.toMatchObject({
      code: 'STORE_CORRUPT',
      details: { index: 13 },
    });
    expect(contents(directory)).toEqual(before);
  });
});
