import { Redis } from 'ioredis';
import { once } from 'node:events';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import { expect, test } from 'vitest';
import { requireFree, waitFor } from '@balsa/cluster';
import { allPorts, balsa, freeBase, startCluster, temporaryFolder } from './processes.ts';

const host = '127.0.0.1';

async function set(base: number, value: string): Promise<void> {
  const redis = new Redis({ host, port: base + 1 });
  try {
    await waitFor(async () => redis.set('k', value).catch(() => undefined), {
      timeoutMs: 120_000,
      what: 'a write',
    });
  } finally {
    redis.disconnect();
  }
}

async function get(base: number): Promise<string | null> {
  const redis = new Redis({ host, port: base + 2 });
  try {
    const found = await waitFor(
      async () =>
        redis.get('k').then(
          (value) => ({ value }),
          () => undefined,
        ),
      { timeoutMs: 120_000, what: 'a read' },
    );
    return found.value;
  } finally {
    redis.disconnect();
  }
}

test('the cluster leaves nothing behind, however it ends, and goes on from its data', async () => {
  await using folder = await temporaryFolder();
  const data = path.join(folder.path, 'data');
  const base = await freeBase();
  let child = await startCluster(data, base);
  try {
    await set(base, 'before');

    child.kill('SIGKILL');
    await once(child, 'exit');
    // Nodes without a parent stop by themselves: their ports become free.
    await requireFree(allPorts(base), 5_000, '');

    child = await startCluster(data, base);
    expect(await get(base)).toBe('before');
    child.kill('SIGINT');
    const [code] = (await once(child, 'exit')) as [number | null];
    expect(code).toBe(130);
    await requireFree(allPorts(base), 0, '');

    // A node that lost its disk is not founded anew under its old id.
    await rm(path.join(data, 'node-2'), { recursive: true });
    const refused = await balsa('start', '--data', data, '--port', String(base));
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/^balsa: Node 2: .*STORE_NOT_BOOTSTRAPPED/);
    expect(refused.stdout).toBe('');
    await requireFree(allPorts(base), 0, '');
  } finally {
    child.kill('SIGKILL');
  }
});

test('a port in use is told before anything is touched', async () => {
  await using folder = await temporaryFolder();
  const base = await freeBase();
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(base + 102, host, resolve));
  try {
    const data = path.join(folder.path, 'data');
    const { code, stderr } = await balsa('start', '--data', data, '--port', String(base));
    expect(code).toBe(1);
    expect(stderr).toBe(
      `balsa: Port 127.0.0.1:${base + 102} is in use. Stop what uses it, or choose other ports with --port BASE.\n`,
    );
    expect(await readdir(folder.path)).toEqual([]);
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
});

test('a directory of something else is refused and not touched', async () => {
  await using folder = await temporaryFolder();
  await mkdir(path.join(folder.path, 'photos'));
  const { code, stderr } = await balsa('start', '--data', folder.path);
  expect(code).toBe(1);
  expect(stderr).toContain('is not empty and holds no Balsa cluster');
  expect(await readdir(folder.path)).toEqual(['photos']);
});

test('a damaged identity is refused', async () => {
  await using folder = await temporaryFolder();
  await writeFile(path.join(folder.path, 'cluster.json'), '{');
  const { code, stderr } = await balsa('start', '--data', folder.path);
  expect(code).toBe(1);
  expect(stderr).toMatch(/^balsa: .*cluster\.json is damaged/);
});

test('a node that loses its disk while the cluster runs is not founded anew under its old id', async () => {
  await using folder = await temporaryFolder();
  const base = await freeBase();
  const child = await startCluster(path.join(folder.path, 'data'), base);
  let text = '';
  child.stdout?.on('data', (part: string) => (text += part));
  const redis = new Redis({ host, port: base + 2 });
  try {
    const [, pid] = /process_id:(\d+)/.exec(await redis.info('server'))!;
    redis.disconnect();
    await rm(path.join(folder.path, 'data', 'node-2'), { recursive: true });
    process.kill(Number(pid), 'SIGKILL');
    await waitFor(async () => (text.includes('not started again') ? true : undefined), {
      timeoutMs: 120_000,
      what: 'the note about node 2',
    });
    expect(text).toMatch(/^node 2 is down, and not started again: .*STORE_NOT_BOOTSTRAPPED/m);
    expect(await readdir(path.join(folder.path, 'data'))).not.toContain('node-2');
  } finally {
    redis.disconnect();
    child.kill('SIGINT');
    await once(child, 'exit');
  }
});
