import { expect, test } from 'vitest';
import { Disk, everything, lost, type Tree } from '../src/power/disk.ts';
import { onlyOf } from '../src/power/fates.ts';
import type { TraceOperation } from '../src/shim/trace.ts';

const root = '/place';

function open(handle: number, name: string): TraceOperation {
  const made = { created: true, truncated: false, directory: false };
  return { op: 'open', handle, path: `${root}/${name}`, ...made };
}

function write(handle: number, text: string, offset = 0): TraceOperation {
  return { op: 'write', handle, offset, data: Buffer.from(text), synchronous: false };
}

const sync = (handle: number, name: string): TraceOperation => ({
  op: 'sync',
  handle,
  path: `${root}/${name}`,
});

function diskAfter(...operations: readonly TraceOperation[]): Disk {
  const disk = new Disk(root);
  for (const one of operations) disk.apply(one);
  return disk;
}

const texts = (tree: Tree): Record<string, string | undefined> =>
  Object.fromEntries([...tree].map(([path, bytes]) => [path, bytes?.toString()]));

test('a tree stays what it was when the disk goes on', () => {
  const disk = diskAfter(open(1, 'log'), write(1, 'first'), sync(1, 'log'));
  const earlier = disk.after(everything);
  for (const one of [write(1, 'F'), sync(1, 'log'), write(1, 'I', 1), sync(1, 'log')]) disk.apply(one);
  expect(texts(earlier)).toEqual({ log: 'first' });
  expect(texts(disk.after(everything))).toEqual({ log: 'FIrst' });
});

test('what a sync failed over is in no durable bytes, whatever was synced before and after', () => {
  const disk = diskAfter(open(1, 'log'), write(1, 'aaa'), sync(1, 'log'), write(1, 'b', 1));
  disk.apply({ op: 'sync-failed', handle: 1, path: `${root}/log` });
  for (const one of [write(1, 'c', 2), sync(1, 'log')]) disk.apply(one);
  const named = { data: lost.data, name: everything.name };
  expect(texts(disk.after(named))).toEqual({ log: 'aac' });
});

test('the unsynced bytes of one file survive without those of another', () => {
  const disk = diskAfter(open(1, 'log'), open(2, 'mark'), open(3, 'gone'), write(1, 'L'), write(2, 'M'));
  for (const one of [write(3, 'G'), { op: 'unlink', path: `${root}/gone` } as const]) disk.apply(one);
  const trees = disk.unsyncedByFile().map((one) => texts(disk.after(onlyOf(one).fate)));
  expect(trees).toEqual([
    { log: 'L', mark: '' },
    { log: '', mark: 'M' },
  ]);
  disk.apply(sync(2, 'mark'));
  expect(disk.unsyncedByFile()).toHaveLength(1);
});
