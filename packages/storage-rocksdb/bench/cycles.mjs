/**
 * Cycles of appends and compaction: whether the head is read as fast in the last cycle as in the first, and how much
 * disk is used beside what lives. Exit code 1 when a read takes more than twice as long, or the disk holds more than
 * three times the live data.
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
let [last, worst] = [0, 0];
try {
  for (let cycle = 1; cycle <= cycles; cycle++) {
    const began = performance.now();
    for (const end = last + perCycle; last < end;) {
      const entries = Array.from(
        { length: batch },
        (_, i) => new Entry(1, last + i + 1, EntryType.Normal, randomFillSync(Buffer.allocUnsafeSlow(256))),
      );
      last += batch;
      await storage.write({ entries, hardState: { term: 1, vote: 1, commit: last } });
    }
    const boundary = last - Math.floor(perCycle * keep);
    await storage.compactTo(boundary);
    while (await storage.maintain());
    const read = await headRead(storage, boundary + 1);
    reads.push(read);
    const { logBytes } = await storage.stats();
    const disk = bytesOf(join(directory, 'db'));
    if (cycle > 1) worst = Math.max(worst, disk / logBytes);
    const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
    process.stdout.write(
      `cycle ${cycle}: ${((performance.now() - began) / 1000).toFixed(1)} s, head read ${read.toFixed(3)} ms, live ${megabytes(logBytes)}, disk ${megabytes(disk)} (${(disk / logBytes).toFixed(2)} x)\n`,
    );
  }
  // The garbage of the last compaction goes with the writes that follow: what counts is after the next cycle's first.
  const live = (await storage.stats()).logBytes;
  for (let i = 0; i < 2 * 12 * 4; i++) {
    const entries = Array.from(
      { length: batch },
      (_, n) => new Entry(1, last + n + 1, EntryType.Normal, randomFillSync(Buffer.allocUnsafeSlow(256))),
    );
    last += batch;
    await storage.write({ entries, hardState: { term: 1, vote: 1, commit: last } });
  }
  await new Promise((resolve) => setTimeout(resolve, 2000));
  const [disk, now] = [bytesOf(join(directory, 'db')), (await storage.stats()).logBytes];
  const slower = reads.at(-1) / reads[0];
  process.stdout.write(
    `after ${cycles} cycles: reads ${slower.toFixed(2)} x of the first; at most ${worst.toFixed(2)} x right after a compaction; ` +
      `${(disk / now).toFixed(2)} x once 24 MB were written behind it (live ${(live / 1e6).toFixed(1)} MB before, ${(now / 1e6).toFixed(1)} MB now)\n`,
  );
  process.exitCode = slower <= 2 && disk / now <= 3 ? 0 : 1;
} finally {
  await engine.close();
  rmSync(directory, { recursive: true, force: true });
}
