/**
 * How long a second client of the same server waits while a group of a million entries is compacted, snapshots are
 * written and removed, a state of as many pairs is restored, and the append-only file is rewritten:
 * `node packages/storage-redis/bench/stalls.mjs [entries]` after a build. Beside each stands what the server says held
 * it up (its latency monitor): commands, syncs of the disk, forks.
 *
 * A server that syncs every write serves nobody meanwhile, so the disk sets the floor: the same client's wait while a
 * bare client sends one small write after another, before and after. Each phase is told as a multiple of that, too,
 * and beside it stand bare commands of the same sizes, and bare rewrites of the file: the server makes these by its own
 * rule, and forks for each.
 *
 * `--busy`: another process writes and syncs a megabyte after the other on the same file system meanwhile.
 * `--realtime`, for root: server and second client run before everything else, so that only the server's own pauses are
 * seen on a busy machine. TMPDIR=/dev/shm leaves out the disk as well. (Linux may stop such a process for 50 ms of a
 * second that it fills, which shows where nothing waits for a disk: while pairs are restored.)
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
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
const isBusy = process.argv.includes('--busy');
const snapshotBytes = 100 * 1024 * 1024;
const chunkBytes = 256 * 1024;
const pieceBytes = 64 * 1024;
const pairsAtOnce = 1000;
const floorMs = 3000;
const small = Buffer.alloc(64, 7);

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
    const at = (part) => waits[Math.floor(waits.length * part)];
    process.send({ pings: waits.length, max: waits[0], p99: at(0.01), p50: at(0.5) }); waits = []; });`;
const [command, ...rest] = [...before, process.execPath, '-e', pings, String(server.port)];
const pinger = spawn(command, rest, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });

const noise = `
  const fs = require('node:fs');
  const bytes = Buffer.alloc(1 << 20, 7);
  for (;;) {
    const file = fs.openSync(process.argv[1], 'w');
    for (let i = 0; i < 64; i++) { fs.writeSync(file, bytes); fs.fdatasyncSync(file); }
    fs.closeSync(file);
  }`;
const noisy = isBusy
  ? spawn(process.execPath, ['-e', noise, path.join(place, 'noise')], { stdio: 'inherit' })
  : undefined;

const waits = () =>
  new Promise((resolve) => {
    pinger.once('message', resolve);
    pinger.send('');
  });

/** The longest waits beside single small writes. */
const floor = [];

async function phase(name, run) {
  await waits();
  await client.call('latency', 'reset');
  const began = performance.now();
  await run();
  const seconds = (performance.now() - began) / 1000;
  const { pings, max, p99, p50 } = await waits();
  const events = await client.call('latency', 'latest');
  const said = events.map(([event, , , longest]) => `${event} ${longest} ms`).join(', ');
  const multiple = floor.length === 0 ? '' : ` (${(max / Math.max(...floor)).toFixed(1)} of the floor's)`;
  process.stdout.write(
    `${name.padEnd(45)} ${seconds.toFixed(1).padStart(5)} s, ${String(pings).padStart(5)} pings: ` +
      `p50 ${p50.toFixed(2)}, p99 ${p99.toFixed(2)}, longest ${max.toFixed(1)} ms${multiple}; ` +
      `server: ${said || 'nothing above 2 ms'}\n`,
  );
  return max;
}

const smallWrites = () =>
  phase('floor: single writes of 64 B', async () => {
    const began = performance.now();
    while (performance.now() - began < floorMs) await client.set('bare', small);
  });

const isRewriting = async () => /aof_rewrite_in_progress:1/.test(await client.info('persistence'));
const pause = (ms) => new Promise((resolve) => env.setTimer(ms, resolve));

/** What the server does by itself when its file has grown: with nobody writing, and with single small writes. */
async function bareRewrite() {
  const { used_memory_rss: bytes } = Object.fromEntries(
    (await client.info('memory')).split('\r\n').map((line) => line.split(':')),
  );
  const held = `${(Number(bytes) / 2 ** 20).toFixed(0)} MiB`;
  await phase(`floor: bare rewrite, ${held} resident`, async () => {
    await client.bgrewriteaof();
    while (await isRewriting()) await pause(5);
    await pause(100);
  });
  await phase('floor: bare rewrite, writes of 64 B beside it', async () => {
    await client.bgrewriteaof();
    while (await isRewriting()) await client.set('bare', small);
    for (let i = 0; i < 50; i++) {
      await client.set('bare', small);
      await pause(2);
    }
  });
}

const storage = engine.group('g');
await storage.open();
const confState = { voters: [1], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
/** Nothing that a rewrite of the server's file could compress, which would make the next one due much sooner. */
const random = randomBytes(1024 * 1024);
const data = (n) => random.subarray((n * 131) % 1_000_000, ((n * 131) % 1_000_000) + 128);
const maintain = async () => {
  while (await storage.maintain());
};

await phase(`fill with ${String(count)} entries (not measured)`, async () => {
  for (let first = 1; first <= count; first += 1000) {
    const entries = Array.from(
      { length: 1000 },
      (_, i) => new Entry(1, first + i, EntryType.Normal, data(first + i)),
    );
    await storage.write({ entries, hardState: { term: 1, vote: 1, commit: first + 999 } });
  }
});
await phase('nothing', () => pause(1000));
floor.push(await smallWrites());
const chunk = randomBytes(chunkBytes);
await phase('snapshot of 100 MiB written', async () => {
  const writer = await storage.createSnapshot({ index: count, term: 1, confState });
  for (let at = 0; at < snapshotBytes; at += chunkBytes) await writer.write(chunk);
  await writer.commit();
});
await bareRewrite();
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
await bareRewrite();
const store = engine.orderedStore('kv');
await store.open();
for (const name of ['restored', 'restored again, the old state removed']) {
  await phase(`${String(count)} pairs ${name}`, async () => {
    const restore = await store.beginRestore();
    for (let first = 0; first < count; first += pairsAtOnce) {
      const pair = (i) => ({ key: Buffer.from(String(first + i).padStart(12, '0')), value: data(first + i) });
      await restore.put(Array.from({ length: pairsAtOnce }, (_, i) => pair(i)));
    }
    await restore.commit(1);
    while (await store.maintain());
  });
  await bareRewrite();
}
floor.push(await smallWrites());
// Behind all else: what they leave resident would make every fork before them longer.
const piece = randomBytes(pieceBytes);
await phase('floor: 100 MiB by bare RPUSH of 64 KiB', async () => {
  for (let at = 0; at < snapshotBytes; at += pieceBytes)
    await client.rpush(`bare-${String(at >> 20)}`, piece);
});
await phase('floor: bare DEL of them', async () => {
  for (let n = 0; n < snapshotBytes >> 20; n++) await client.del(`bare-${String(n)}`);
});
await storage.close();
await store.close();
await engine.close();
client.disconnect();
pinger.kill();
noisy?.kill();
await server.stop();
rmSync(place, { recursive: true, force: true });
