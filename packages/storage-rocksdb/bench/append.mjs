/**
 * Appends of 256-byte entries, each with bytes of its own, against raw append and fdatasync of the same bytes to
 * a growing file, batch by batch in turn. Prints median latencies, their ratio (1 is the raw disk, higher is
 * better), and how long the event loop stood still at most.
 *
 * usage: node packages/storage-rocksdb/bench/append.mjs [DIRECTORY] [--json]
 */
import { randomFillSync } from 'node:crypto';
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writevSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { clearImmediate, setImmediate } from 'node:timers';
import { Entry, EntryType, silentLogger } from '@balsa/raft-core';
import { openRocksdbEngine } from '@balsa/storage-rocksdb';

const env = {
  now: () => performance.now(),
  setTimer: (ms, callback) => {
    const timer = ms === 0 ? setImmediate(callback) : setTimeout(callback, ms);
    return { cancel: () => (ms === 0 ? clearImmediate(timer) : clearTimeout(timer)) };
  },
  random: Math.random,
  log: silentLogger,
};

const rounds = { 1: 2000, 16: 1000, 256: 400 };
const quantile = (sorted, q) => sorted[Math.floor((sorted.length - 1) * q)];

async function measure(directory, worker, size) {
  const engine = await openRocksdbEngine({ directory: join(directory, `db-${worker}-${size}`), env, worker });
  const storage = engine.group('bench');
  await storage.open();
  const file = join(directory, 'raw');
  const raw = openSync(file, 'w');
  const delay = monitorEventLoopDelay({ resolution: 1 });
  const [ours, floor] = [[], []];
  let last = 0;
  for (let round = -50; round < rounds[size]; round++) {
    const payloads = Array.from({ length: size }, () => randomFillSync(Buffer.allocUnsafeSlow(256)));
    const entries = payloads.map((data) => new Entry(1, ++last, EntryType.Normal, data));
    const hardState = { term: 1, vote: 1, commit: last - size };
    if (round === 0) delay.enable();
    const before = performance.now();
    await storage.write({ entries, hardState });
    const between = performance.now();
    delay.disable();
    writevSync(raw, payloads);
    fdatasyncSync(raw);
    const after = performance.now();
    delay.enable();
    if (round < 0) continue;
    ours.push(between - before);
    floor.push(after - between);
  }
  delay.disable();
  closeSync(raw);
  rmSync(file);
  await engine.close();
  const sort = (values) => values.toSorted((a, b) => a - b);
  const [a, b] = [sort(ours), sort(floor)];
  return {
    mode: worker ? 'worker' : 'in-thread',
    batch: size,
    p50Ms: quantile(a, 0.5),
    p99Ms: quantile(a, 0.99),
    rawP50Ms: quantile(b, 0.5),
    ratio: quantile(b, 0.5) / quantile(a, 0.5),
    entriesPerSecond: Math.round((size * 1000) / (a.reduce((x, y) => x + y, 0) / a.length)),
    stallP50Ms: delay.percentile(50) / 1e6,
    stallMaxMs: delay.max / 1e6,
  };
}

const [home = tmpdir()] = process.argv.slice(2).filter((word) => !word.startsWith('--'));
const directory = mkdtempSync(join(home, 'balsa-rocksdb-bench-'));
const rows = [];
try {
  for (const worker of [false, true])
    for (const size of [1, 16, 256]) rows.push(await measure(directory, worker, size));
} finally {
  rmSync(directory, { recursive: true, force: true });
}
if (process.argv.includes('--json')) {
  process.stdout.write(`${JSON.stringify(rows, undefined, 2)}\n`);
} else {
  const two = (row) =>
    Object.fromEntries(
      Object.entries(row).map(([k, v]) => [k, typeof v === 'number' && v % 1 ? +v.toFixed(3) : v]),
    );
  console.table(rows.map(two));
}
