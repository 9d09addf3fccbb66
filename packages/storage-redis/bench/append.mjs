/**
 * Appends of this store against a bare variadic RPUSH of the same bytes, each awaited before the next, on one
 * server with the same settings: `node packages/storage-redis/bench/append.mjs` after a build. Rounds alternate,
 * so that a disk that changes its mood does so for both.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { performance } from 'node:perf_hooks';
import { Redis } from 'ioredis';
import { Entry, EntryType } from '@balsa/raft-core';
import { openRedisEngine } from '@balsa/storage-redis';
import { RedisServer } from '@balsa/storage-redis/testing';
import { realEnv as env } from '../dist/testing/real-env.js';

const entryBytes = 256;
const rounds = Number(process.argv[2] ?? 9);
const roundMs = Number(process.argv[3] ?? 400);
const place = mkdtempSync(path.join(tmpdir(), 'balsa-redis-bench-'));
const server = await RedisServer.start({ directory: path.join(place, 'server') });
const engine = await openRedisEngine({ url: server.url, watermarkPath: path.join(place, 'watermark'), env });
const client = new Redis(server.url);
const data = new Uint8Array(entryBytes).fill(7);

async function perSecond(run) {
  const began = performance.now();
  let count = 0;
  do {
    await run();
    count++;
  } while (performance.now() - began < roundMs);
  return (count * 1000) / (performance.now() - began);
}

const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];

for (const batch of [1, 16, 256]) {
  const storage = engine.group(`batch-${batch}`);
  await storage.open();
  let next = 1;
  const append = async () => {
    const entries = [];
    for (let i = 0; i < batch; i++) entries.push(new Entry(1, next++, EntryType.Normal, data));
    await storage.write({ entries, hardState: { term: 1, vote: 1, commit: next - 1 - batch } });
  };
  const bytes = Array.from({ length: batch }, () => Buffer.from(data));
  const push = () => client.rpush(`bare-${batch}`, ...bytes);
  const [ours, bare] = [[], []];
  await perSecond(append);
  await perSecond(push);
  for (let round = 0; round < rounds; round++) {
    ours.push(await perSecond(append));
    bare.push(await perSecond(push));
  }
  const ratios = ours.map((value, i) => value / bare[i]);
  const [mine, theirs] = [median(ours), median(bare)];
  process.stdout.write(
    `${String(batch).padStart(3)} entries: ${mine.toFixed(0)} writes/s, RPUSH ${theirs.toFixed(0)}/s, ratio ${median(ratios).toFixed(2)}\n`,
  );
  await storage.close();
}
await engine.close();
client.disconnect();
await server.stop();
rmSync(place, { recursive: true, force: true });
