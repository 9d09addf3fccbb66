import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openClusterFile, readClusterFile, writeClusterFile } from '../src/cluster-file.ts';

let directory = '';

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'balsa-cluster-file-'));
});

afterEach(async () => {
  await rm(directory, { recursive: true });
});

test('an identity is made once and found again', async () => {
  const data = path.join(directory, 'new');
  expect(await readClusterFile(data)).toBeUndefined();
  const made = await openClusterFile(data);
  expect(made).toMatchObject({ complete: false });
  await writeClusterFile(data, { ...made, complete: true });
  expect(await openClusterFile(data)).toEqual({ ...made, complete: true });
});

test('a directory of something else is refused and not touched', async () => {
  await mkdir(path.join(directory, 'photos'));
  await expect(openClusterFile(directory)).rejects.toThrow(/holds no Balsa cluster/);
  expect(await readdir(directory)).toEqual(['photos']);
});

test('what a crash left of the first start does not stand in the way', async () => {
  await writeFile(path.join(directory, 'cluster.json.tmp'), '{"form');
  expect((await openClusterFile(directory)).clusterId).toMatch(/^[0-9a-f]{16}$/);
});

test.each(['', '{}', '{"format":1,"clusterId":"xyz","complete":true}', '{"format":2}', 'null'])(
  'a damaged identity %j is refused, not replaced',
  async (text) => {
    await writeFile(path.join(directory, 'cluster.json'), text);
    await expect(openClusterFile(directory)).rejects.toThrow(/is damaged/);
  },
);

test('a place where nothing can be made is named', async () => {
  const data = path.join(directory, 'link');
  await symlink(path.join(directory, 'gone', 'away'), data);
  await expect(openClusterFile(data)).rejects.toThrow(`Cannot write to the data directory ${data}: ENOENT`);
});
