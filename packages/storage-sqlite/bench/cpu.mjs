/**
 * What a write costs beside the same rows given to better-sqlite3 by itself, in turns within each round, so that other
 * work on the machine falls on both: median time and CPU of a write, one entry size, so many groups at once.
 * `node bench/cpu.mjs [BATCH,...] [GROUPS] [MS per cell] [ROUNDS]`; BALSA_BENCH_DIR=/dev/shm leaves the disk out.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { performance } from 'node:perf_hooks';
import Database from 'better-sqlite3';
import { Entry, EntryType } from '@balsa/raft-core';
import { openSqliteEngine } from '@balsa/storage-sqlite';
import { env } from './env.mjs';

const batches = (process.argv[2] ?? '1,16,256').split(',').map(Number);
const [groups = 1, ms = 2000, rounds = 3] = process.argv.slice(3).map(Number);
const root = process.env.BALSA_BENCH_DIR ?? tmpdir();
const noise = Buffer.from(Array.from({ length: 65_536 }, () => Math.random() * 256));
const payload = (index) => noise.subarray((index * 13) % 60_000, ((index * 13) % 60_000) + 128);

async function cell(run) {
  const durations = [];
  const cpu = process.cpuUsage();
  const end = performance.now() + ms;
  for (let before = performance.now(); before < end;) {
    await run();
    const after = performance.now();
    durations.push(after - before);
    before = after;
  }
  const { user } = process.cpuUsage(cpu);
  durations.sort((a, b) => a - b);
  return { p50: durations[durations.length >> 1], user: user / durations.length };
}

function bareWriter(file, batch) {
  const db = new Database(file);
  db.pragma('journal_mode = WAL');
  db.pragma('synchronous = FULL');
  const inserts = Array.from({ length: groups }, (_, g) => {
    db.exec(`CREATE TABLE log_${g} (idx INTEGER PRIMARY KEY, term INTEGER, data BLOB)`);
    return db.prepare(`INSERT INTO log_${g} VALUES (?, ?, ?)`);
  });
  const [begin, commit] = [db.prepare('BEGIN IMMEDIATE'), db.prepare('COMMIT')];
  let last = 0;
  const write = () => {
    begin.run();
    for (const insert of inserts) for (let i = 1; i <= batch; i++) insert.run(last + i, 1, payload(last + i));
    last += batch;
    commit.run();
  };
  return { write, close: () => db.close() };
}

async function storeWriter(directory, batch) {
  const engine = await openSqliteEngine({ directory, env });
  const storages = Array.from({ length: groups }, (_, g) => engine.group(`g${g}`));
  for (const storage of storages) await storage.open();
  let last = 0;
  const write = async () => {
    const first = last + 1;
    last += batch;
    const batchOf = () => ({
      entries: Array.from(
        { length: batch },
        (_, i) => new Entry(1, first + i, EntryType.Normal, payload(first + i)),
      ),
      hardState: { term: 1, vote: 1, commit: first - 1 },
    });
    await Promise.all(storages.map((storage) => storage.write(batchOf())));
  };
  return { write, close: () => engine.close() };
}

for (const batch of batches) {
  const directory = mkdtempSync(path.join(root, 'balsa-cpu-'));
  const writers = {
    bare: bareWriter(path.join(directory, 'bare.db'), batch),
    store: await storeWriter(path.join(directory, 'store'), batch),
  };
  const cells = { bare: [], store: [] };
  for (let round = 0; round < rounds; round++) {
    for (const [name, { write }] of Object.entries(writers)) cells[name].push(await cell(write));
  }
  for (const { close } of Object.values(writers)) await close();
  rmSync(directory, { recursive: true, force: true });
  const median = (name, what) =>
    cells[name].map((one) => one[what]).sort((a, b) => a - b)[Math.floor(rounds / 2)];
  for (const name of Object.keys(cells)) {
    const [p50, user] = [median(name, 'p50').toFixed(3), median(name, 'user').toFixed(0)];
    const where = `${groups} x ${batch} entries`;
    process.stdout.write(
      `${where.padEnd(18)} ${name.padEnd(6)} p50 ${p50.padStart(8)} ms   CPU ${user.padStart(6)} us a write\n`,
    );
  }
}
