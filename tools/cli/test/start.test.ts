import { Redis } from 'ioredis';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import { expect, test } from 'vitest';
import { findFreePorts, requireFree } from '../src/cluster/ports.ts';
import { waitFor } from '../src/cluster/wait.ts';
import { portsOf } from '../src/options.ts';
import { balsa, mainFile, temporaryFolder } from './processes.ts';

const host = '127.0.0.1';

function allPorts(base: number): { host: string; port: number }[] {
  return [1, 2, 3].flatMap((id) => Object.values(portsOf(base, id)).map((port) => ({ host, port })));
}

/** A base whose nine ports are free. */
function freeBase(): Promise<number> {
  return waitFor(
    async () => {
      const [port] = await findFreePorts(host, 1);
      if (port! > 65_000) return undefined;
      return requireFree(allPorts(port!), 0, '').then(
        () => port,
        () => undefined,
      );
    },
    { timeoutMs: 10_000, what: 'nine free ports' },
  );
}

/** Runs `balsa start` until its greeting. */
async function start(data: string, base: number): Promise<ChildProcess> {
  const child = spawn(process.execPath, [mainFile, 'start', '--data', data, '--port', String(base)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => (text += part));
  const look = async (): Promise<true | undefined> => {
    if (child.exitCode !== null) throw new Error(`balsa start ended with exit code ${child.exitCode}`);
    return text.includes('Ctrl-C') ? true : undefined;
  };
  await waitFor(look, {
    timeoutMs: 25_000,
    what: 'the greeting',
  });
  return child;
}

async function set(base: number, value: string): Promise<void> {
  const redis = new Redis({ host, port: base + 1 });
  try {
    await waitFor(async () => redis.set('k', value).catch(() => undefined), {
      timeoutMs: 25_000,
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
      { timeoutMs: 25_000, what: 'a read' },
    );
    return found.value;
  } finally {
    redis.disconnect();
  }
}

test(
  'the cluster leaves nothing behind, however it ends, and goes on from its data',
  { timeout: 90_000 },
  async () => {
    await using folder = await temporaryFolder();
    const data = path.join(folder.path, 'data');
    const base = await freeBase();
    let child = await start(data, base);
    try {
      await set(base, 'before');

      child.kill('SIGKILL');
      await once(child, 'exit');
      // Nodes without a parent stop by themselves: their ports become free.
      await requireFree(allPorts(base), 5_000, '');

      child = await start(data, base);
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
  },
);

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
