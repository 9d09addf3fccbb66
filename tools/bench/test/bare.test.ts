/** Bare replication is a measure of ours only if it keeps what it answers for: in two files, synced. */
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { waitFor } from '@balsa/cluster';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { BareCluster } from '../src/cluster/bare-cluster.ts';
import { commandBytes } from '../src/cluster/load.ts';
import type { WorkloadContext } from '../src/workloads/context.ts';

/** In front of what is written together. */
const headBytes = 4;

let directory: string;
let cluster: BareCluster;

beforeEach(async () => {
  directory = mkdtempSync(path.join(tmpdir(), 'balsa-bare-'));
  const context = { env: { random: () => 0.5 }, payload: 'random' } as unknown as WorkloadContext;
  cluster = await BareCluster.start(context, directory);
});

afterEach(async () => {
  await cluster.stop();
  rmSync(directory, { recursive: true, force: true });
});

const file = (name: string): string => path.join(directory, name);
const names = ['leader', 'follower-1', 'follower-2'];

function grown(name: string, bytes: number): Promise<unknown> {
  const look = (): Promise<true | undefined> =>
    Promise.resolve(statSync(file(name)).size >= bytes ? true : undefined);
  return waitFor(look, { what: `${name} to have ${bytes} bytes`, timeoutMs: 10_000 });
}

test('all three write every SET, whatever came together', async () => {
  const clients = await cluster.connect(await cluster.leaderAddress(), 5);
  for (let n = 0; n < 20; n++)
    expect(await Promise.all(clients.map((client) => client.set()))).toEqual(Array(5).fill(true));
  const { size } = statSync(file('leader'));
  const pieces = (size - 100 * commandBytes) / headBytes;
  expect(pieces).toBeGreaterThanOrEqual(20);
  expect(pieces).toBeLessThanOrEqual(100);
  await Promise.all(names.map((name) => grown(name, size)));
  for (const name of names) expect(readFileSync(file(name)).equals(readFileSync(file('leader')))).toBe(true);
  for (const client of clients) client.close();
});

test('a SET is answered when two of the three have it, and not before', async () => {
  const [client, other] = await cluster.connect(await cluster.leaderAddress(), 2);
  const [first, second] = cluster.pids;
  if (client === undefined || other === undefined || first === undefined || second === undefined)
    throw new Error('two clients and three processes were asked for');
  process.kill(first, 'SIGSTOP');
  expect(await client.set()).toBe(true);
  process.kill(second, 'SIGSTOP');
  const { size } = statSync(file('leader'));
  let answers = 0;
  const sets = [client, other].map(async (one) => {
    const accepted = await one.set();
    answers++;
    return accepted;
  });
  await grown('leader', size + 2 * commandBytes);
  // What comes after these two, in another turn, has been written: an answer to the first would have come long ago.
  const [third] = await cluster.connect(await cluster.leaderAddress(), 1);
  const last = third?.set();
  await grown('leader', size + 3 * commandBytes);
  expect(answers).toBe(0);
  process.kill(second, 'SIGCONT');
  expect(await Promise.all([...sets, last])).toEqual([true, true, true]);
  process.kill(first, 'SIGCONT');
  for (const one of [client, other, third]) one?.close();
});
