import { Redis } from 'ioredis';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { fetchStatus, findFreePorts, NodeProcess, type NodeSpec, waitFor } from '@balsa/cluster';
import { balsa, contents, serveArguments, temporaryFolder, threeSpecs } from './processes.ts';

const patience = { timeoutMs: 120_000 };

async function startAll(specs: readonly NodeSpec[]): Promise<Map<number, NodeProcess>> {
  const nodes = new Map<number, NodeProcess>();
  for (const spec of specs) nodes.set(spec.id, await NodeProcess.start(spec));
  try {
    await Promise.all([...nodes.values()].map((node) => node.ready()));
    return nodes;
  } catch (error) {
    for (const node of nodes.values()) await node.kill();
    throw error;
  }
}

function leaderAmong(specs: readonly NodeSpec[], aboveTerm = 0): Promise<{ id: number; term: number }> {
  return waitFor(
    async () => {
      for (const spec of specs) {
        const status = await fetchStatus(spec.http);
        if (status?.role === 'leader' && status.term > aboveTerm) return { id: spec.id, term: status.term };
      }
      return undefined;
    },
    { ...patience, what: 'a leader' },
  );
}

/** A command that is refused while there is no leader is asked again; so is one of unknown outcome: each may be done twice. */
async function ask<T>(spec: NodeSpec, command: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis({ ...spec.resp, retryStrategy: () => 50 });
  redis.on('error', () => undefined);
  try {
    return await waitFor(
      async () => {
        try {
          return { value: await command(redis) };
        } catch (error) {
          if (/^(TRYAGAIN|BUSY|UNKNOWN)/.test((error as Error).message)) return undefined;
          throw error;
        }
      },
      { ...patience, what: 'an answer' },
    ).then((answer) => answer.value);
  } finally {
    redis.disconnect();
  }
}

describe('three nodes', () => {
  test('replicate, survive SIGKILL of the leader and take it back', async () => {
    await using folder = await temporaryFolder();
    const specs = await threeSpecs(folder.path);
    const nodes = await startAll(specs);
    try {
      const first = await leaderAmong(specs);
      expect(await ask(specs[0]!, (redis) => redis.set('greeting', 'hello'))).toBe('OK');
      for (const spec of specs) expect(await ask(spec, (redis) => redis.get('greeting'))).toBe('hello');

      await nodes.get(first.id)!.kill();
      const rest = specs.filter((spec) => spec.id !== first.id);
      await leaderAmong(rest, first.term);
      expect(await ask(rest[0]!, (redis) => redis.set('greeting', 'still here'))).toBe('OK');

      const back = specs.find((spec) => spec.id === first.id)!;
      nodes.set(first.id, await NodeProcess.start(back));
      await nodes.get(first.id)!.ready();
      expect(await ask(back, (redis) => redis.get('greeting'))).toBe('still here');
    } finally {
      await Promise.all([...nodes.values()].map((node) => node.kill()));
    }
  });

  test('go on from their data after SIGKILL of all', async () => {
    await using folder = await temporaryFolder();
    const specs = await threeSpecs(folder.path);
    const nodes = await startAll(specs);
    try {
      expect(await ask(specs[1]!, (redis) => redis.set('k', 'v'))).toBe('OK');
      await Promise.all([...nodes.values()].map((node) => node.kill()));
      const again = await startAll(specs.map((spec) => ({ ...spec, mode: 'continue' })));
      for (const [id, node] of again) nodes.set(id, node);
      expect(await ask(specs[2]!, (redis) => redis.get('k'))).toBe('v');
    } finally {
      await Promise.all([...nodes.values()].map((node) => node.kill()));
    }
  });

  test('stop within two seconds when they are asked to', async () => {
    await using folder = await temporaryFolder();
    const nodes = await startAll(await threeSpecs(folder.path));
    try {
      const exits = await Promise.all(
        [...nodes.values()].map(async (node) => {
          process.kill(node.pid, 'SIGTERM');
          return node.exited;
        }),
      );
      // 143 says that it ended by itself after SIGTERM; a kill would say so.
      for (const exit of exits) expect(exit.text).toMatch(/exit code (0|143)$/);
    } finally {
      await Promise.all([...nodes.values()].map((node) => node.kill()));
    }
  });
});

describe('a node that cannot start says so in one message, with exit code 1', () => {
  async function refusal(spec: NodeSpec): Promise<string> {
    const { code, stdout, stderr } = await balsa(...serveArguments(spec), '--log-level', 'silent');
    expect(code).toBe(1);
    expect(stdout).toBe('');
    expect(stderr.match(/^balsa: /gm)).toHaveLength(1);
    expect(stderr).not.toContain('    at ');
    return stderr;
  }

  test('a port in use, and nothing is touched', async () => {
    await using folder = await temporaryFolder();
    const [spec] = await threeSpecs(folder.path);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(spec!.resp.port, spec!.resp.host, resolve));
    try {
      expect(await refusal(spec!)).toContain(`Port 127.0.0.1:${spec!.resp.port} is in use.`);
      expect(existsSync(spec!.directory)).toBe(false);
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  });

  test('an empty directory of a node that should have data, and nothing is touched', async () => {
    await using folder = await temporaryFolder();
    const [spec] = await threeSpecs(folder.path);
    expect(await refusal({ ...spec!, mode: 'continue' })).toContain('STORE_NOT_BOOTSTRAPPED');
    expect(existsSync(spec!.directory)).toBe(false);
  });

  test('data of another cluster, of another node, held by a living one, and damaged', async () => {
    await using folder = await temporaryFolder();
    const [spec] = await threeSpecs(folder.path);
    const node = await NodeProcess.start(spec!);
    try {
      await node.ready();
      const ports = await findFreePorts('127.0.0.1', 3);
      const [raft, resp, http] = ports.map((port) => ({ host: '127.0.0.1', port }));
      const elsewhere = { ...spec!, raft: raft!, resp: resp!, http: http! };
      expect(await refusal(elsewhere)).toContain('STORE_LOCKED');
      await node.stop(5_000);
      const before = await contents(spec!.directory);
      const foreign = { ...spec!, clusterId: '00000000000000bb' };
      expect(await refusal(foreign)).toContain('STORE_IDENTITY_MISMATCH');
      expect(await refusal({ ...spec!, id: 2 })).toContain('STORE_IDENTITY_MISMATCH');
      expect(await contents(spec!.directory)).toEqual(before);
      const again = await NodeProcess.start({ ...spec!, mode: 'continue' });
      try {
        await again.ready();
      } finally {
        await again.stop(5_000);
      }

      for (const name of await readdir(spec!.directory)) {
        const file = path.join(spec!.directory, name);
        if (/\.(db|sqlite)$/.test(name)) await writeFile(file, (await readFile(file)).fill(0x5a));
      }
      const damaged = await contents(spec!.directory);
      expect(await refusal(spec!)).toContain('STORE_CORRUPT');
      expect(await contents(spec!.directory)).toEqual(damaged);
    } finally {
      await node.kill();
    }
  });

  test('a directory that cannot be read', async () => {
    await using folder = await temporaryFolder();
    const [spec] = await threeSpecs(folder.path);
    await mkdir(path.dirname(spec!.directory), { recursive: true });
    await writeFile(spec!.directory, 'a file');
    expect(await refusal({ ...spec!, mode: 'continue' })).toContain('Cannot read the data directory');
  });
});
