/**
 * How long a second client of the same server waits while a group of a million entries is compacted, snapshots are
 * written and removed, and the append-only file is rewritten: `node packages/storage-redis/bench/stalls.mjs [entries]`
 * after a build. Beside each stands what the server says held it up (its latency monitor): commands, syncs of the
 * disk, forks. The floor is the same client's wait while bare commands of the same sizes are written.
 *
 * `--realtime`, for root on Linux: server and second client run before everything else, so that only the server's own
 * pauses are seen on a busy machine. TMPDIR=/dev/shm leaves out the disk as well.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { performance } from 'node:perf_hooks';
import { Redis } from 'ioredis';
import { Entry, EntryType } from '@balsa/raft-core';
import { openRedisEngine } from '@balsa/storage-redis';
import { RedisServer, ensureRedisServer } from '@balsa/storage-redis/testing';
import { realEnv as env } from '../dist/testing/real-env.js';

const numbers = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
const count = Number(numbers[0] ?? 1_000_000);
const isRealtime = process.argv.includes('--realtime');
const snapshotBytes = 100 * 1024 * 1024;
const chunkBytes = 256 * 1024;
const pieceBytes = 64 * 1024;

const place = mkdtempSync(path.join(tmpdir(), 'balsa-redis-stalls-'));
const before = isRealtime ? ['chrt', '--reset-on-fork', '--rr', '2'] : [];
const program = path.join(place, 'server.sh');
writeFileSync(program, `#!/bin/sh\nexec ${[...before, ensureRedisServer()].join(' ')} "$@"\n`, {
  mode: 0o755,
});
const server = await RedisServer.start({ directory: path.join(place, 'server'), program });
const engine = await openRedisEngine({ url: server.url, watermarkPath: path.join(place, 'watermark'), env });
const client = new Redis(server.url);
await client.config('SET', 'latency-monitor-threshold', '2');

/** Pings once a millisecond from a process of its own; keeps how long each took. */
const pings = `
  const socket = require('node:net').connect(Number(process.argv[1]), '127.0.0.1').setNoDelay();
  let sent = 0, waits = [];
  const ping = () => { sent = performance.now(); socket.write('PING\\r\\n'); };
  socket.on('data', () => { waits.push(performance.now() - sent); setTimeout(ping, 1); });
  socket.on('connect', ping);
  process.on('message', () => { waits.sort((a, b) => b - a);
    process.send({ pings: waits.length, max: waits[0], p999: waits[Math.floor(waits.length / 1000)] }); waits = []; });`;
const [command, ...rest] = [...before, process.execPath, '-e', pings, String(server.port)];
const pinger = spawn(command, rest, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });

const waits = () =>
  new Promise((resolve) => {
    pinger.once('message', resolve);
    pinger.send('');
  });

async function phase(name, run) {
  await waits();
  await client.call('latency', 'reset');
  const began = performance.now();
  await run();
  const seconds = (performance.now() - began) / 1000;
  const { pings, max, p999 } = await waits();
  const events = await client.call('latency', 'latest');
  const said = events.map(([event, , , longest]) => `${event} ${longest} ms`).join(', ');
  process.stdout.write(
    `${name.padEnd(44)} ${seconds.toFixed(1).padStart(6)} s, ${String(pings).padStart(7)} pings: ` +
      `longest ${max.toFixed(1)} ms, p99.9 ${p999.toFixed(2)} ms; server: ${said || 'nothing above 2 ms'}\n`,
  );
}

const storage = engine.group('g');
await storage.open();
const confState = { voters: [1], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
const data = new Uint8Array(128).fill(7);
const maintain = async () => {
  while (await storage.maintain());
};

await phase(`fill with ${String(count)} entries (not measured)`, async () => {
  for (let first = 1; first <= count; first += 1000) {
    const entries = Array.from({ length: 1000 }, (_, i) => new Entry(1, first + i, EntryType.Normal, data));
    await storage.write({ entries, hardState: { term: 1, vote: 1, commit: first + 999 } });
  }
});
await phase('nothing', () => new Promise((resolve) => env.setTimer(1000, resolve)));
const piece = Buffer.alloc(pieceBytes, 7);
await phase('floor: 100 MiB by bare RPUSH of 64 KiB', async () => {
  for (let at = 0; at < snapshotBytes; at += pieceBytes)
    await client.rpush(`bare-${String(at >> 20)}`, piece);
});
await phase('floor: bare DEL of them', async () => {
  for (let n = 0; n < snapshotBytes >> 20; n++) await client.del(`bare-${String(n)}`);
});
const chunk = new Uint8Array(chunkBytes).fill(7);
await phase('snapshot of 100 MiB written', async () => {
  const writer = await storage.createSnapshot({ index: count, term: 1, confState });
  for (let at = 0; at < snapshotBytes; at += chunkBytes) await writer.write(chunk);
  await writer.commit();
});
await phase('snapshot removed', async () => {
  await storage.pruneSnapshots(0);
  await maintain();
});
await phase('half compacted', async () => {
  await storage.compactTo(count / 2);
  await maintain();
});
await phase('all compacted', async () => {
  await storage.compactTo(count);
  await maintain();
});
await phase('rewrite of what is left', async () => {
  await client.bgrewriteaof();
  while (/aof_rewrite_in_progress:1/.test(await client.info('persistence')))
    await new Promise((resolve) => env.setTimer(5, resolve));
});
await storage.close();
await engine.close();
client.disconnect();
pinger.kill();
await server.stop();
rmSync(place, { recursive: true, force: true });
