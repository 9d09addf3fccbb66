/**
 * Appends of 256-byte entries, each with bytes of its own, against raw append and fdatasync of the same bytes to
 * a growing file and against the bare binding, batch by batch in turn. Prints median latencies, the ratio of the
 * raw disk's to each (1 is the raw disk, higher is better), and, from writes of their own, how long the event loop of
 * the caller is busy with one: in-thread it stands still meanwhile.
 *
 * usage: node packages/storage-rocksdb/bench/append.mjs [DIRECTORY] [--in-thread | --worker] [--json]
 */
import { randomFillSync } from 'node:crypto';
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writevSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { clearImmediate, setImmediate } from 'node:timers';
import { Entry, EntryType, silentLogger } from '@balsa/raft-core';
import { openRocksdbEngine } from '@balsa/storage-rocksdb';
import { Rocks, logKey } from '@balsa/storage-rocksdb/testing';

const env = {
  now: () => performance.now(),
  setTimer: (ms, callback) => {
    const timer = ms === 0 ? setImmediate(callback) : setTimeout(callback, ms);
    return { cancel: () => (ms === 0 ? clearImmediate(timer) : clearTimeout(timer)) };
  },
  random: Math.random,
  log: silentLogger,
};

const rounds = { 1: 2500, 16: 1500, 256: 500 };
/** Before anything counts: code that runs for the first time is slow. */
const warmUp = { 1: 1500, 16: 500, 256: 100 };
/** Sets of payloads that are written again and again where making them must not count. */
const poolSize = 64;
const quantile = (sorted, q) => sorted[Math.floor((sorted.length - 1) * q)];
const median = (values) =>
  quantile(
    values.toSorted((a, b) => a - b),
    0.5,
  );

async function open(directory, worker) {
  const engine = await openRocksdbEngine({ directory, env, worker });
  const storage = engine.group('bench');
  await storage.open();
  let last = 0;
  const write = async (payloads) => {
    const entries = payloads.map((data) => new Entry(1, ++last, EntryType.Normal, data));
    await storage.write({ entries, hardState: { term: 1, vote: 1, commit: last - payloads.length } });
  };
  return { engine, write };
}

const payloadsOf = (size) => Array.from({ length: size }, () => randomFillSync(Buffer.allocUnsafeSlow(256)));

/** The binding without the adapter: one batch of the same entries, synced. */
async function openBare(directory) {
  const rocks = await Rocks.open(directory, { create: true, walLimitBytes: 12 * 1024 * 1024 });
  const batch = rocks.batch();
  let last = 0;
  const write = (payloads) => {
    batch.clear();
    for (const payload of payloads) batch.put(logKey(1, ++last), payload);
    batch.write({ sync: true });
  };
  return { rocks, write };
}

async function latencies(directory, worker, size) {
  const store = await open(join(directory, 'store'), worker);
  const bare = await openBare(join(directory, 'bare'));
  const file = openSync(join(directory, 'raw'), 'w');
  const times = { raw: [], bare: [], store: [] };
  for (let round = -warmUp[size]; round < rounds[size]; round++) {
    const payloads = payloadsOf(size);
    const start = performance.now();
    writevSync(file, payloads);
    fdatasyncSync(file);
    const raw = performance.now();
    bare.write(payloads);
    const middle = performance.now();
    await store.write(payloads);
    const end = performance.now();
    if (round < 0) continue;
    times.raw.push(raw - start);
    times.bare.push(middle - raw);
    times.store.push(end - middle);
  }
  closeSync(file);
  await bare.rocks.close();
  await store.engine.close();
  return times;
}

/** How long the event loop is busy with a write, in the mean: it waits for the disk only where the store is on it. */
async function busy(directory, worker, size) {
  const store = await open(join(directory, 'busy'), worker);
  const pool = Array.from({ length: poolSize }, () => payloadsOf(size));
  for (let round = 0; round < warmUp[size]; round++) await store.write(pool[round % poolSize]);
  const before = performance.eventLoopUtilization();
  for (let round = 0; round < rounds[size]; round++) await store.write(pool[round % poolSize]);
  const { active } = performance.eventLoopUtilization(before);
  await store.engine.close();
  return active / rounds[size];
}

async function measure(home, worker, size) {
  const directory = mkdtempSync(join(home, 'run-'));
  const { raw, bare, store } = await latencies(directory, worker, size);
  const busyMs = await busy(directory, worker, size);
  rmSync(directory, { recursive: true, force: true });
  const p50 = median(store);
  return {
    mode: worker ? 'worker' : 'in-thread',
    batch: size,
    p50Ms: p50,
    p99Ms: quantile(
      store.toSorted((a, b) => a - b),
      0.99,
    ),
    rawP50Ms: median(raw),
    ratio: median(raw) / p50,
    bareRatio: median(raw) / median(bare),
    ofBare: median(bare) / p50,
    busyMs,
  };
}

const [home = tmpdir()] = process.argv.slice(2).filter((word) => !word.startsWith('--'));
const directory = mkdtempSync(join(home, 'balsa-rocksdb-bench-'));
const rows = [];
const only = [false, true].filter((worker) => !process.argv.includes(worker ? '--in-thread' : '--worker'));
try {
  for (const worker of only)
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
