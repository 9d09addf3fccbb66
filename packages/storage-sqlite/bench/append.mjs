/**
 * What an append costs beside what it cannot cost less than: the same bytes written to a growing file and synced, and
 * the same rows given to better-sqlite3 by itself. `node bench/append.mjs [SECONDS per cell] [BATCH,...]`.
 */
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { performance } from 'node:perf_hooks';
import Database from 'better-sqlite3';
import { Entry, EntryType } from '@balsa/raft-core';
import { openSqliteEngine } from '@balsa/storage-sqlite';
import { env } from './env.mjs';

const seconds = Number(process.argv[2] ?? 1);
const batches = (process.argv[3] ?? '1,16,256').split(',').map(Number);
const payload = new Uint8Array(256).fill(7);
const root = process.env.BALSA_BENCH_DIR ?? tmpdir();

async function timed(run) {
  const durations = [];
  const end = performance.now() + seconds * 1000;
  for (let before = performance.now(); before < end;) {
    await run();
    const after = performance.now();
    durations.push(after - before);
    before = after;
  }
  durations.sort((a, b) => a - b);
  const at = (q) => durations[Math.min(durations.length - 1, Math.floor(q * durations.length))];
  const sum = durations.reduce((total, one) => total + one, 0);
  return { rate: (durations.length / sum) * 1000, p50: at(0.5), p99: at(0.99), p999: at(0.999), max: at(1) };
}

async function inDirectory(run) {
  const directory = mkdtempSync(path.join(root, 'balsa-bench-'));
  try {
    return await run(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const floor = (batch) =>
  inDirectory(async (directory) => {
    const file = openSync(path.join(directory, 'file'), 'a');
    const bytes = new Uint8Array(batch * payload.length).fill(7);
    try {
      return await timed(() => {
        writeSync(file, bytes);
        fdatasyncSync(file);
      });
    } finally {
      closeSync(file);
    }
  });

const bare = (batch) =>
  inDirectory(async (directory) => {
    const db = new Database(path.join(directory, 'bare.db'));
    db.pragma('journal_mode = WAL');
    db.pragma('synchronous = FULL');
    db.exec('CREATE TABLE log (idx INTEGER PRIMARY KEY, term INTEGER, data BLOB)');
    const insert = db.prepare('INSERT INTO log VALUES (?, ?, ?)');
    const [begin, commit] = [db.prepare('BEGIN IMMEDIATE'), db.prepare('COMMIT')];
    let index = 0;
    try {
      return await timed(() => {
        begin.run();
        for (let i = 0; i < batch; i++) insert.run(++index, 1, payload);
        commit.run();
      });
    } finally {
      db.close();
    }
  });

const store = (worker) => (batch) =>
  inDirectory(async (directory) => {
    const engine = await openSqliteEngine({ directory, env, worker });
    const storage = engine.group('g');
    await storage.open();
    await storage.write({ hardState: { term: 1, vote: 1, commit: 0 } });
    let index = 0;
    try {
      return await timed(async () => {
        const entries = Array.from(
          { length: batch },
          (_, i) => new Entry(1, index + i + 1, EntryType.Normal, payload),
        );
        index += batch;
        await storage.write({ entries });
      });
    } finally {
      await engine.close();
    }
  });

const rows = {
  'growing file': floor,
  'bare better-sqlite3': bare,
  store: store(false),
  'store in a worker': store(true),
};
for (const batch of batches) {
  process.stdout.write(`batch of ${batch} x ${payload.length} bytes\n`);
  let least;
  for (const [name, run] of Object.entries(rows)) {
    const { rate, p50, p99, p999, max } = await run(batch);
    least ??= rate;
    const ms = [p50, p99, p999, max].map((one) => one.toFixed(2).padStart(8)).join('');
    process.stdout.write(
      `  ${name.padEnd(20)} ${rate.toFixed(0).padStart(7)}/s  ratio ${(rate / least).toFixed(2)}  p50, 99, 99.9, max ms ${ms}\n`,
    );
  }
}
