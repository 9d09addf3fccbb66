import { mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Engine } from '@balsa/raft-core';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { withBinding } from '../src/adapter.ts';
import { EngineChoiceError, findEngine, openReference } from '../src/index.ts';
import { env } from './env.ts';

const identity = {
  clusterId: '00000000000000c5',
  nodeId: 1,
  incarnation: '00000000000000aa',
  maxEntryBytes: 1024,
};
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'balsa-engines-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function stamp(engine: Engine): Promise<void> {
  await engine.stamp({ ...identity, maxEntryBytes: engine.capabilities.maxEntryBytes });
  await engine.close();
}

test.each(['memory', 'file', 'sqlite'])(
  'a place of %s finds its data when it is opened again',
  async (name) => {
    await using place = await (await findEngine(name)).prepare({ directory: path.join(folder, 'data'), env });
    await stamp(await place.open());
    await using engine = await place.open();
    expect(engine.capabilities.engine).toBe(name);
    expect((await engine.identity())?.clusterId).toBe(identity.clusterId);
    expect((await place.files()).length > 0).toBe(name !== 'memory');
  },
);

test('a reference that went through JSON opens the same place with the same options', async () => {
  const source = await findEngine('file', { watermarkLag: '5' });
  const place = await source.prepare({ directory: path.join(folder, 'data'), env });
  await stamp(await place.open());
  await place.close();
  const reference = JSON.parse(JSON.stringify(place.reference)) as typeof place.reference;
  await using engine = await openReference(reference, env);
  expect((await engine.identity())?.nodeId).toBe(1);
  expect(engine.capabilities.watermarkLag).toBe(5);
});

test('a module may export openEngine, and gets the directory and its options', async () => {
  const module = path.join(folder, 'mine.mjs');
  await writeFile(
    module,
    'export const openEngine = async (options) => ({ capabilities: options, close() {} });',
  );
  const source = await findEngine(module, { size: '7', fast: 'true', colour: 'red' });
  const engine = await source.open({ directory: folder, env });
  expect(engine.capabilities).toMatchObject({ directory: folder, size: 7, fast: true, colour: 'red' });
  expect(source.label).toBe('mine.mjs size=7 fast=true colour=red');
});

test('a module that cannot be imported is refused, with the reason and the place', async () => {
  const module = path.join(folder, 'throwing.mjs');
  await writeFile(module, "const a = 1;\nthrow new Error('no server');");
  await expect(findEngine(module)).rejects.toThrow(/cannot be imported: no server\n +at .*throwing\.mjs:2:7/);
});

test('a module that exports nothing of use is refused, with what it should export', async () => {
  const module = path.join(folder, 'mine.mjs');
  await writeFile(module, 'export const store = 1;');
  await expect(findEngine(module)).rejects.toThrow(
    /exports neither openEngine\(\{ directory, env \}\) nor a target/,
  );
});

test('a native binding that cannot be loaded is told with what to do', async () => {
  const dlopen = Object.assign(new Error('/x.node: wrong ELF class'), { code: 'ERR_DLOPEN_FAILED' });
  const failure = withBinding('sqlite', 'run "npm rebuild"', () =>
    Promise.reject(new Error('open', { cause: dlopen })),
  );
  await expect(failure).rejects.toThrow(EngineChoiceError);
  await expect(failure).rejects.toThrow(
    /^the native binding of sqlite cannot be loaded \(open\): run "npm rebuild"$/,
  );
});

test('an engine that fails for another reason keeps its error', async () => {
  const error = new Error('disk full');
  await expect(withBinding('sqlite', 'run', () => Promise.reject(error))).rejects.toBe(error);
});

test('closing an engine that was opened in one go closes it', async () => {
  const source = await findEngine('memory');
  const opened = await source.open({ directory: folder, env });
  await opened.close();
  await expect(opened.identity()).rejects.toMatchObject({ code: 'STORE_CLOSED' });
});

test.each(['file', 'sqlite', 'rocksdb', 'redis'])(
  'whether %s has its data open is told without a trace, and which ordered stores there are',
  async (name) => {
    const source = await findEngine(name);
    const directory = path.join(folder, 'data');
    const names = ['kv', 'a:b/\u{1f600}', '\ud800'];
    const open = await source.open({ directory, env });
    try {
      for (const one of names) await open.orderedStore(one).open();
      expect(await open.listOrderedStores?.()).toEqual(['a:b/\u{1f600}', 'kv', '\ud800']);
      expect(await source.isOpen(directory)).toBe(true);
      await symlink(folder, path.join(folder, 'link'));
      expect(await source.isOpen(path.join(folder, 'link', 'data'))).toBe(true);
      // The owner goes on.
      await open.orderedStore('kv').write({ changes: [], appliedIndex: 1 });
    } finally {
      await open.close();
    }
    const before = await readdir(directory, { recursive: true });
    expect(await source.isOpen(directory)).toBe(false);
    expect(await readdir(directory, { recursive: true })).toEqual(before);
    const again = await source.open({ directory, env });
    expect(await again.listOrderedStores?.()).toEqual(['a:b/\u{1f600}', 'kv', '\ud800']);
    await again.close();
  },
);
