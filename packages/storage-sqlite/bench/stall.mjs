/**
 * How long the caller's event loop stands still while the store works, in this thread and in a worker.
 * `node bench/stall.mjs [WRITES of 256 entries]`.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Entry, EntryType } from '@balsa/raft-core';
import { openSqliteEngine } from '@balsa/storage-sqlite';
import { env } from './env.mjs';

const writes = Number(process.argv[2] ?? 400);
const payload = new Uint8Array(256).fill(7);
const confState = { voters: [1], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
const root = process.env.BALSA_BENCH_DIR ?? tmpdir();
const resolution = 1;

/** What the histogram counts is the time between two ticks; the tick itself is no stall. */
async function watch(what, run) {
  const histogram = monitorEventLoopDelay({ resolution });
  histogram.enable();
  await new Promise((resolve) => globalThis.setTimeout(resolve, 5));
  await run();
  await new Promise((resolve) => globalThis.setTimeout(resolve, 5));
  histogram.disable();
  const ms = (nanoseconds) =>
    Math.max(0, nanoseconds / 1e6 - resolution)
      .toFixed(1)
      .padStart(8);
  const { max } = histogram;
  process.stdout.write(
    `  ${what.padEnd(40)} p50, 99, max ms ${ms(histogram.percentile(50))}${ms(histogram.percentile(99))}${ms(max)}\n`,
  );
}

/** What a checkpoint adds to a stream of writes, with a bound of `walLimitBytes`, or the default. */
async function measureWrites(walLimitBytes) {
  const directory = mkdtempSync(path.join(root, 'balsa-stall-'));
  const engine = await openSqliteEngine({ directory, env, ...(walLimitBytes && { walLimitBytes }) });
  const storage = engine.group('g');
  await storage.open();
  const latencies = [];
  let index = 0;
  const name = walLimitBytes ? `${walLimitBytes / 1024 ** 2} MiB` : 'the default bound';
  await watch(`${writes} writes, checkpoints at ${name}`, async () => {
    for (let i = 0; i < writes; i++) {
      const entries = Array.from(
        { length: 256 },
        (_, n) => new Entry(1, index + n + 1, EntryType.Normal, payload),
      );
      index += 256;
      const before = globalThis.performance.now();
      await storage.write({ entries });
      latencies.push(globalThis.performance.now() - before);
    }
  });
  latencies.sort((a, b) => a - b);
  const at = (q) => latencies[Math.floor(q * (latencies.length - 1))].toFixed(1).padStart(8);
  process.stdout.write(`  ${'a write of them'.padEnd(40)} p50, 99, max ms ${at(0.5)}${at(0.99)}${at(1)}\n`);
  await engine.close();
  rmSync(directory, { recursive: true, force: true });
}

async function measure(worker) {
  const directory = mkdtempSync(path.join(root, 'balsa-stall-'));
  const engine = await openSqliteEngine({
    directory,
    env,
    worker,
    walLimitBytes: 1024 ** 3,
  });
  const storage = engine.group('g');
  const store = engine.orderedStore('kv');
  await storage.open();
  await store.open();
  let index = 0;
  const write = async () => {
    const entries = Array.from(
      { length: 256 },
      (_, i) => new Entry(1, index + i + 1, EntryType.Normal, payload),
    );
    index += 256;
    await storage.write({ entries, hardState: { term: 1, vote: 1, commit: index } });
  };
  process.stdout.write(worker ? 'in a worker\n' : 'in this thread\n');
  try {
    await watch(`${writes} writes of 256 entries`, async () => {
      for (let i = 0; i < writes; i++) await write();
    });
    await watch('a checkpoint of 16 MiB, by maintain', async () => {
      while (await storage.maintain());
      for (let i = 0; i < 190; i++) await write();
      while (await storage.maintain());
    });
    await watch('a read of 16 MiB', async () => {
      await storage.entries(1, Math.min(index, 60_000), 16 * 1024 * 1024);
    });
    await storage.compactTo(index - 256);
    await watch('compaction and giving back, by maintain', async () => {
      while (await storage.maintain());
    });
    await watch('a snapshot of 64 chunks of 1 MiB', async () => {
      const writer = await storage.createSnapshot({ index, term: 1, confState });
      const chunk = new Uint8Array(1024 * 1024).fill(5);
      for (let i = 0; i < 64; i++) await writer.write(chunk);
      await writer.commit();
    });
    await watch('200 applied batches of 100 pairs, a sync', async () => {
      for (let n = 1; n <= 200; n++) {
        const changes = Array.from({ length: 100 }, (_, i) => [Buffer.from(`key ${n * 100 + i}`), payload]);
        await store.write({ changes, appliedIndex: n });
      }
      await store.sync();
    });
    await watch('a view of 20 000 pairs, in pages of 1000', async () => {
      const view = await store.view();
      let after;
      for (;;) {
        const pairs = await view.range({ limit: 1000, ...(after && { gt: after }) });
        if (pairs.length === 0) break;
        after = pairs.at(-1).key;
      }
      await view.release();
    });
  } finally {
    await engine.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

process.stdout.write('checkpoints in this thread\n');
for (const limit of [16 * 1024 ** 2, undefined]) await measureWrites(limit);
await measure(false);
await measure(true);
