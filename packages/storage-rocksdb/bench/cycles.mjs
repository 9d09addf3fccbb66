/**
 * Cycles of appends, compaction and housekeeping: whether the head is read as fast in the last cycle as in the first,
 * and how much disk is used beside what lives, both at the end of the appends and a second after the housekeeping.
 * Exit code 1 when the last reads take more than twice as long as the first, or the disk ever holds more than three
 * times the live data.
 *
 * usage: node packages/storage-rocksdb/bench/cycles.mjs [--entries 1000000] [--cycles 20] [--keep 0.1] [--relaxed]
 */
import { randomFillSync } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { clearImmediate, setImmediate } from 'node:timers';
import { parseArgs } from 'node:util';
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

const { values } = parseArgs({
  options: {
    entries: { type: 'string', default: '1000000' },
    cycles: { type: 'string', default: '20' },
    keep: { type: 'string', default: '0.1' },
    relaxed: { type: 'boolean', default: false },
  },
});
const [perCycle, cycles, keep] = [values.entries, values.cycles, values.keep].map(Number);
const batch = 1000;

function bytesOf(path) {
  let sum = 0;
  for (const name of readdirSync(path))
    sum += statSync(join(path, name), { throwIfNoEntry: false })?.size ?? 0;
  return sum;
}

/** Median of reads of ten entries at the head of the log, in milliseconds. */
async function headRead(storage, first) {
  const times = [];
  for (let i = 0; i < 200; i++) {
    const before = performance.now();
    const read = await storage.entries(first, first + 10, 1e9);
    times.push(performance.now() - before);
    if (read.length !== 10) throw new Error(`${read.length} entries of 10`);
  }
  return times.toSorted((a, b) => a - b)[100];
}

const directory = mkdtempSync(join(tmpdir(), 'balsa-rocksdb-cycles-'));
const durability = values.relaxed ? 'relaxed' : 'strict';
const engine = await openRocksdbEngine({ directory, env, worker: false, durability });
const storage = engine.group('cycles');
await storage.open();
const reads = [];
let [last, worst, writing] = [0, 0, 0];
const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

/** Disk used beside what lives, as text; the largest ratio is kept. */
async function space() {
  const { logBytes } = await storage.stats();
  const disk = bytesOf(join(directory, 'db'));
  worst = Math.max(worst, disk / logBytes);
  return `${megabytes(disk)} for ${megabytes(logBytes)} live (${(disk / logBytes).toFixed(2)} x)`;
}

async function append(end) {
  const began = performance.now();
  while (last < end) {
    const entries = Array.from(
      { length: batch },
      (_, i) => new Entry(1, last + i + 1, EntryType.Normal, randomFillSync(Buffer.allocUnsafeSlow(256))),
    );
    last += batch;
    await storage.write({ entries, hardState: { term: 1, vote: 1, commit: last } });
  }
  return (performance.now() - began) / 1000;
}

try {
  for (let cycle = 1; cycle <= cycles; cycle++) {
    const took = await append(last + perCycle);
    writing += took;
    const full = await space();
    const boundary = last - Math.floor(perCycle * keep);
    const began = performance.now();
    await storage.compactTo(boundary);
    while (await storage.maintain());
    const maintained = (performance.now() - began) / 1000;
    // Files that nothing refers to any more go a moment later.
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const rest = await space();
    const read = await headRead(storage, boundary + 1);
    reads.push(read);
    process.stdout.write(
      `cycle ${cycle}: ${Math.round(perCycle / took)} entries/s, then ${full}; ` +
        `${maintained.toFixed(1)} s of housekeeping, then ${rest}; head read ${read.toFixed(3)} ms\n`,
    );
  }
  const slower = reads.at(-1) / reads[0];
  process.stdout.write(
    `after ${cycles} cycles: reads ${slower.toFixed(2)} x of the first; disk at most ${worst.toFixed(2)} x of what lived; ` +
      `${Math.round((perCycle * cycles) / writing)} entries/s\n`,
  );
  process.exitCode = slower <= 2 && worst <= 3 ? 0 : 1;
} finally {
  await engine.close();
  rmSync(directory, { recursive: true, force: true });
}
