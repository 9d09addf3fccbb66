/** The engine of a node: chosen once for a directory, and remembered there. */
import { readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { findEngine } from '@balsa/engines';
import { createNodeEnv } from '@balsa/raft-node';
import { NodeProcess, fetchStatus, isAlive, waitFor, type NodeSpec } from '@balsa/cluster';
import { ServerKeeper } from '../src/serve/server-keeper.ts';
import { balsa, contents, serveArguments, temporaryFolder, threeSpecs } from './processes.ts';

async function oneNode(folder: string): Promise<NodeSpec> {
  const [spec] = await threeSpecs(folder);
  return { ...spec!, members: spec!.members.slice(0, 1) };
}

async function live(spec: NodeSpec): Promise<void> {
  const node = await NodeProcess.start(spec);
  try {
    await node.ready();
    await waitFor(async () => ((await fetchStatus(spec.http))?.role === 'leader' ? true : undefined), {
      timeoutMs: 120_000,
      what: 'the node to lead',
    });
  } finally {
    await node.stop(5_000);
  }
}

test('data of one engine are refused to another, untouched, and go on with their own', async () => {
  await using folder = await temporaryFolder();
  const spec = await oneNode(folder.path);
  await live({ ...spec, storage: { name: 'file', options: {} } });
  expect(JSON.parse(await readFile(path.join(spec.directory, 'storage.json'), 'utf8'))).toEqual({
    format: 1,
    storage: 'file',
  });

  const before = await contents(spec.directory);
  const refused = await balsa(...serveArguments(spec), '--storage', 'sqlite');
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain(
    'made with the storage file, and cannot be used with sqlite. Leave --storage out',
  );
  expect(await contents(spec.directory)).toEqual(before);

  // Nothing said, it is what it was.
  await live({ ...spec, mode: 'continue' });
});

test('a directory without a note is of SQLite when it has its log, and gets the note', async () => {
  await using folder = await temporaryFolder();
  const spec = await oneNode(folder.path);
  await live(spec);
  const note = path.join(spec.directory, 'storage.json');
  await rm(note);
  const refused = await balsa(...serveArguments(spec), '--storage', 'file');
  expect(refused.stderr).toContain('made with the storage sqlite');
  await live({ ...spec, mode: 'continue' });
  expect(await readFile(note, 'utf8')).toContain('"sqlite"');
  await writeFile(note, '{"format":1}');
  expect((await balsa(...serveArguments(spec))).stderr).toMatch(/storage\.json is damaged: expected/);
});

test('the Redis server below a node ends with it, however it ends, and its data are refused to SQLite', async () => {
  await using folder = await temporaryFolder();
  const spec = { ...(await oneNode(folder.path)), storage: { name: 'redis', options: {} } };
  const node = await NodeProcess.start(spec);
  await node.ready();
  const { pid } = node.server!;
  expect(isAlive(pid)).toBe(true);
  await node.kill();
  expect(isAlive(pid)).toBe(false);
  await live(spec);

  const before = await contents(spec.directory);
  const refused = await balsa(...serveArguments(spec), '--storage', 'sqlite');
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain('made with the storage redis, and cannot be used with sqlite');
  expect(await contents(spec.directory)).toEqual(before);
});

test('a server that dies below its node is started again, at the same address', async () => {
  await using folder = await temporaryFolder();
  const env = createNodeEnv();
  await using place = await (await findEngine('redis')).prepare({ directory: folder.path, env });
  const pids: number[] = [];
  const server = place.server!;
  const keeper = new ServerKeeper({ server, log: env.log, onRunning: (pid) => pids.push(pid) });
  process.kill(server.pid()!, 'SIGKILL');
  await waitFor(async () => (pids.length === 2 ? true : undefined), {
    timeoutMs: 120_000,
    what: 'the next life',
  });
  expect(pids[1]).toBe(server.pid());
  await keeper.stop();
  await server.kill();
  expect(server.pid()).toBeUndefined();
});

test.each([
  ['no such engine', ['--storage', 'sqllite'], /there is no engine "sqllite"/],
  [
    'an engine that keeps nothing',
    ['--storage', 'memory'],
    /a node cannot run on memory, which keeps nothing: give sqlite/,
  ],
  [
    'an option that does not exist',
    ['--storage-option', 'wroker=true'],
    /the engine sqlite has no option wroker; there are: worker/,
  ],
])('%s ends with exit code 2, before anything is made', async (_what, more, expected) => {
  await using folder = await temporaryFolder();
  const spec = await oneNode(folder.path);
  const { code, stderr } = await balsa(...serveArguments(spec), ...more);
  expect(code).toBe(2);
  expect(stderr).toMatch(expected);
  expect(await contents(folder.path)).toEqual({});
});
