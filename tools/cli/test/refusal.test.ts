/** Data that a cluster cannot start on: one message, exit code 1, and not a byte or a file is different afterwards. */
import { Redis } from 'ioredis';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { cp, open, readdir, readFile, rename, rm, stat, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { waitFor } from '@balsa/cluster';
import { portsOf } from '../src/options.ts';
import { balsaWith, contents, freeBase, startCluster, temporaryFolder } from './processes.ts';

type Folder = Awaited<ReturnType<typeof temporaryFolder>>;

let folder: Folder;
let base: number;

const stopped = (): string => path.join(folder.path, 'stopped');
const killed = (): string => path.join(folder.path, 'killed');

/** Writes through one node, and reads through each what was written last: each has all of it then, not two of three. */
async function fill(id: number): Promise<void> {
  const nodes = [1, 2, 3].map((node) => new Redis({ host: '127.0.0.1', port: portsOf(base, node).resp }));
  try {
    const writer = nodes[id - 1]!;
    const write = (i: number): Promise<string> => writer.set(`key-${i}`, 'x'.repeat(200));
    await waitFor(() => write(0).catch(() => undefined), { timeoutMs: 120_000, what: 'a write' });
    await Promise.all(Array.from({ length: 600 }, (_, i) => write(i)));
    for (const node of nodes) {
      const read = (): Promise<string | null> => node.get('key-599').catch(() => null);
      await waitFor(async () => (await read()) ?? undefined, { timeoutMs: 120_000, what: 'a read' });
    }
  } finally {
    for (const node of nodes) node.disconnect();
  }
}

/** The pids of the nodes of a running `balsa start`. */
async function nodesOf(pid: number): Promise<number[]> {
  const { stdout } = await promisify(execFile)('ps', ['-A', '-o', 'pid=,ppid=']);
  const pairs = stdout
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/ +/).map(Number));
  return pairs.filter(([, parent]) => parent === pid).map(([child]) => child!);
}

beforeAll(async () => {
  folder = await temporaryFolder();
  base = await freeBase();
  let cluster = await startCluster(stopped(), base);
  await fill(1);
  cluster.kill('SIGINT');
  await once(cluster, 'exit');

  await cp(stopped(), killed(), { recursive: true });
  cluster = await startCluster(killed(), base);
  await fill(2);
  const pids = await nodesOf(cluster.pid!);
  expect(pids).toHaveLength(3);
  // They stand still first: a node that sees its parent end would stop in good order, and leave no write-ahead log.
  for (const signal of ['SIGSTOP', 'SIGKILL'] as const)
    for (const pid of [cluster.pid!, ...pids]) process.kill(pid, signal);
  await once(cluster, 'exit');
});

afterAll(async () => {
  await folder[Symbol.asyncDispose]();
});

async function refusal(source: string, harm: (data: string) => Promise<void>): Promise<string> {
  await using place = await temporaryFolder();
  await using temporary = await temporaryFolder();
  const data = path.join(place.path, 'data');
  await cp(source, data, { recursive: true });
  await harm(data);
  const before = await contents(data);
  const { code, stdout, stderr } = await balsaWith(
    { env: { TMPDIR: temporary.path }, timeout: 120_000 },
    ...['start', '--data', data, '--port', String(base)],
  );
  expect(code).toBe(1);
  expect(stdout).toBe('');
  expect(stderr.match(/^balsa: /gm)).toHaveLength(1);
  expect(stderr).not.toMatch(/^ {4}at /m);
  expect(await contents(data)).toEqual(before);
  expect(await readdir(temporary.path)).toEqual([]);
  return stderr.replaceAll(data, 'DATA');
}

async function flip(file: string, start: number, bytes = 32): Promise<void> {
  await using handle = await open(file, 'r+');
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(bytes), 0, bytes, start);
  for (let i = 0; i < bytesRead; i++) buffer[i] = buffer[i]! ^ 0x5a;
  await handle.write(buffer, 0, bytesRead, start);
}

/** Flips every copy of a key, so that the one that counts is among them wherever the engine has put it. */
async function flipKey(file: string, key: string): Promise<void> {
  const bytes = await readFile(file);
  const places: number[] = [];
  for (let at = bytes.indexOf(key); at >= 0; at = bytes.indexOf(key, at + key.length)) places.push(at);
  expect(places.length, `copies of ${key} in ${file}`).toBeGreaterThan(0);
  for (const place of places) for (let i = 0; i < key.length; i++) bytes[place + i]! ^= 0x5a;
  await writeFile(file, bytes);
}

/** The largest file of node 2 with such a name. */
async function largest(data: string, name: RegExp): Promise<string> {
  const node = path.join(data, 'node-2');
  const sizes = await Promise.all(
    (await readdir(node))
      .filter((file) => name.test(file))
      .map(async (file) => ({ file: path.join(node, file), size: (await stat(path.join(node, file))).size })),
  );
  return sizes.sort((a, b) => b.size - a.size)[0]!.file;
}

const damages: readonly (readonly [string, (data: string) => Promise<void>, RegExp])[] = [
  ['a flipped header of the log', (data) => flip(`${data}/node-2/log.db`, 0), /^balsa: Node 2: .*CORRUPT/],
  [
    'a flipped middle of the log',
    (data) => flipKey(`${data}/node-2/log.db`, 'key-300'),
    /^balsa: Node 2: .*CORRUPT/,
  ],
  [
    'a flipped end of the log',
    (data) => flipKey(`${data}/node-2/log.db`, 'key-599'),
    /^balsa: Node 2: .*CORRUPT/,
  ],
  ['half a log', (data) => truncate(`${data}/node-2/log.db`, 40_000), /^balsa: Node 2: .*CORRUPT/],
  ['no log', (data) => rm(`${data}/node-2/log.db`), /^balsa: Node 2: .*DATA.node-2.*ACKNOWLEDGED_WRITE_LOST/],
  ['no watermark', (data) => rm(`${data}/node-2/watermark`), /^balsa: Node 2: .*STORE_CORRUPT/],
  [
    'flipped contents',
    async (data) => flipKey(await largest(data, /^state-\d+\.db$/), 'key-300'),
    /^balsa: Node 2: .*STORE_CORRUPT/,
  ],
  [
    'empty contents',
    async (data) => truncate(await largest(data, /^state-\d+\.db$/)),
    /^balsa: Node 2: .*STORE_CORRUPT/,
  ],
  ['no data', (data) => rm(`${data}/node-2`, { recursive: true }), /^balsa: Node 2: .*NOT_BOOTSTRAPPED/],
];

describe('after a stop', () => {
  test.each(damages)('%s', async (_what, harm, expected) => {
    expect(await refusal(stopped(), harm)).toMatch(expected);
  });

  test('the directories of two nodes exchanged', async () => {
    const exchange = async (data: string): Promise<void> => {
      await rename(`${data}/node-1`, `${data}/other`);
      await rename(`${data}/node-2`, `${data}/node-1`);
      await rename(`${data}/other`, `${data}/node-2`);
    };
    expect(await refusal(stopped(), exchange)).toMatch(
      /^balsa: Node 1: DATA.node-1 belongs to node 2, not to 1 \(STORE_IDENTITY_MISMATCH\)/,
    );
  });

  test('the nodes of another cluster', async () => {
    const rename = async (data: string): Promise<void> => {
      const text = await readFile(`${data}/cluster.json`, 'utf8');
      await writeFile(`${data}/cluster.json`, text.replace(/[0-9a-f]{16}/, '0123456789abcdef'));
    };
    expect(await refusal(stopped(), rename)).toMatch(
      /^balsa: Node [123]: .* belongs to cluster [0-9a-f]{16}, not to 0123456789abcdef \(STORE_IDENTITY/,
    );
  });
});

describe('after a SIGKILL of everything', () => {
  test.each([
    ['half a write-ahead log', (file: string) => truncate(file, 20_000)],
    ['a flipped write-ahead log', (file: string) => flip(file, 100)],
    ['no write-ahead log', (file: string) => rm(file)],
  ])('%s', async (_what, harm) => {
    expect(await refusal(killed(), async (data) => harm(`${data}/node-2/log.db-wal`))).toMatch(
      /^balsa: Node 2: .*STORE_ACKNOWLEDGED_WRITE_LOST/,
    );
  });
});
