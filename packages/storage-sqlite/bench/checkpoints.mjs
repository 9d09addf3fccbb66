/**
 * What checkpoints cost a stream of writes to bare better-sqlite3, in turns: made in the writing thread, as the store
 * makes them, and made in another thread with the rest in the writing one, without which the write-ahead log would never
 * begin anew. `node bench/checkpoints.mjs [ENTRIES per write] [SECONDS each] [ROUNDS] [MiB of write-ahead log]`.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import Database from 'better-sqlite3';

const [batch = 256, seconds = 2, rounds = 5, mebibytes = 4] = process.argv.slice(2).map(Number);
const limit = mebibytes * 1024 ** 2;
const pageBytes = 4096;

/** The other thread: a checkpoint for each message. */
function serve() {
  const db = new Database(workerData, { timeout: 0 });
  parentPort.on('message', (what) => {
    if (what === 'checkpoint') {
      db.pragma('wal_checkpoint(PASSIVE)');
      parentPort.postMessage('done');
    } else {
      db.close();
      parentPort.close();
    }
  });
}

function openDatabase(file) {
  const db = new Database(file, { timeout: 0 });
  db.pragma('journal_mode = WAL');
  db.pragma('synchronous = FULL');
  db.pragma('wal_autocheckpoint = 0');
  db.pragma(`journal_size_limit = ${limit}`);
  db.exec('CREATE TABLE entries (n INTEGER PRIMARY KEY, data BLOB)');
  return db;
}

function quantile(values, q) {
  values.sort((a, b) => a - b);
  return (values[Math.min(values.length - 1, Math.floor(q * values.length))] ?? 0).toFixed(1).padStart(6);
}

async function measure(threaded) {
  const directory = mkdtempSync(path.join(process.env.BALSA_BENCH_DIR ?? tmpdir(), 'balsa-checkpoints-'));
  const file = path.join(directory, 'log.db');
  const db = openDatabase(file);
  const worker = threaded ? new Worker(fileURLToPath(import.meta.url), { workerData: file }) : undefined;
  let [busy, rest] = [false, false];
  worker?.on('message', () => ([busy, rest] = [false, true]));
  if (worker) await new Promise((resolve) => worker.once('online', resolve));

  const insert = db.prepare('INSERT INTO entries VALUES (?, ?)');
  const write = db.transaction((from) => {
    for (let n = from; n < from + batch; n++) insert.run(n, payloads[n % payloads.length]);
  });
  const payloads = Array.from({ length: 512 }, () => randomBytes(256));
  const pendingBytes = () => {
    const [{ log, checkpointed }] = db.pragma('wal_checkpoint(NOOP)');
    return (log - checkpointed) * pageBytes;
  };
  const [latencies, stalls] = [[], []];
  const stall = () => {
    const before = performance.now();
    db.pragma('wal_checkpoint(PASSIVE)');
    stalls.push(performance.now() - before);
  };
  let [n, last] = [0, performance.now()];
  const end = last + seconds * 1000;
  while (last < end) {
    write.immediate(n);
    n += batch;
    const now = performance.now();
    // With what stood still before it: whoever writes next waits for a checkpoint.
    latencies.push(now - last);
    last = now;
    await new Promise((resolve) => globalThis.setImmediate(resolve));
    if (rest) {
      rest = false;
      stall();
    } else if (!busy && pendingBytes() >= limit) {
      busy = threaded;
      if (worker) worker.postMessage('checkpoint');
      else stall();
    }
  }
  if (worker) {
    worker.postMessage('end');
    await new Promise((resolve) => worker.once('exit', resolve));
  }
  db.close();
  rmSync(directory, { recursive: true });
  const rate = Math.round(latencies.length / seconds);
  const [p50, p99, most] = [0.5, 0.99, 1].map((q) => quantile(latencies, q));
  process.stdout.write(
    `${threaded ? 'another thread' : 'this thread   '} ${String(rate).padStart(5)} writes/s, p50, 99, max ms ${p50}${p99}${most}` +
      ` | ${stalls.length} stalls here, median and max ms ${quantile(stalls, 0.5)}${quantile(stalls, 1)}\n`,
  );
}

if (isMainThread) {
  for (let round = 0; round < rounds; round++) for (const threaded of [false, true]) await measure(threaded);
} else {
  serve();
}
