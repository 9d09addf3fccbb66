import { describe, expect, test } from 'vitest';
import { Entry, entrySize, silentLogger } from '../src/index.ts';
import { EntryCache } from '../src/entry-cache.ts';
import { Unstable } from '../src/unstable.ts';
import { bytes, confStateOf } from './network/network.ts';

const entries = (term: number, from: number, to: number): Entry[] =>
  Array.from({ length: to - from + 1 }, (_, i) => new Entry(term, from + i, 0, bytes('x')));

describe('the unstable tail', () => {
  const tail = (): Unstable => {
    const unstable = new Unstable(5, silentLogger);
    unstable.append(entries(1, 5, 7));
    return unstable;
  };

  test('hands every entry out once', () => {
    const unstable = tail();
    expect(unstable.nextEntries().map((e) => e.index)).toEqual([5, 6, 7]);
    unstable.acceptInProgress();
    expect(unstable.hasNextEntries).toBe(false);
    unstable.append(entries(1, 8, 8));
    expect(unstable.nextEntries().map((e) => e.index)).toEqual([8]);
  });

  test('hands out again what replaces entries that are on their way', () => {
    const unstable = tail();
    unstable.acceptInProgress();
    unstable.append(entries(2, 6, 6));
    expect(unstable.nextEntries()).toMatchObject([{ term: 2, index: 6 }]);
    expect(unstable.end).toBe(7);
  });

  test('what was handed out does not change afterwards', () => {
    const unstable = tail();
    const handed = unstable.nextEntries();
    unstable.acceptInProgress();
    unstable.append(entries(2, 5, 5));
    unstable.append(entries(2, 6, 9));
    expect(handed.map((e) => [e.term, e.index])).toEqual([
      [1, 5],
      [1, 6],
      [1, 7],
    ]);
  });

  test('a report under another term than the entry has makes nothing stable', () => {
    const unstable = tail();
    unstable.acceptInProgress();
    unstable.append(entries(2, 6, 7));
    expect(unstable.stableTo(1, 7)).toEqual([]);
    expect(unstable.offset).toBe(5);
    expect(unstable.stableTo(1, 5).map((e) => e.index)).toEqual([5]);
    expect(unstable.stableTo(2, 7).map((e) => e.index)).toEqual([6, 7]);
    expect(unstable.stableTo(2, 7)).toEqual([]);
  });

  test('a report for the place of the pending snapshot makes no entry stable, and only its own index installs it', () => {
    const unstable = tail();
    const metadata = { index: 9, term: 3, confState: confStateOf([1]) };
    unstable.restore({ metadata, data: bytes('') });
    unstable.append(entries(3, 10, 10));
    expect(unstable.stableTo(3, 9)).toEqual([]);
    unstable.stableSnapshotTo(8);
    expect(unstable.snapshot?.metadata).toEqual(metadata);
    unstable.stableSnapshotTo(9);
    expect(unstable.snapshot).toBeUndefined();
  });
});

describe('the cache of recent entries', () => {
  const one = entrySize(new Entry(1, 1, 0, bytes('x')));

  test('keeps the newest entries within its bytes', () => {
    const cache = new EntryCache(3 * one);
    cache.append(entries(1, 1, 2));
    cache.append(entries(1, 3, 5));
    expect(cache.firstIndex).toBe(3);
    expect(cache.bytes).toBe(3 * one);
    expect(cache.at(2)).toBeUndefined();
    expect(cache.at(5)?.index).toBe(5);
    expect(cache.at(6)).toBeUndefined();
  });

  test('an entry larger than the whole budget is not kept', () => {
    const cache = new EntryCache(one - 1);
    cache.append(entries(1, 1, 1));
    expect(cache.bytes).toBe(0);
    expect(cache.firstIndex).toBeUndefined();
  });

  test('truncation keeps what lies before', () => {
    const cache = new EntryCache(100 * one);
    cache.append(entries(1, 1, 5));
    cache.truncateFrom(4);
    cache.append(entries(2, 4, 4));
    expect([1, 3, 4, 5].map((i) => cache.at(i)?.term)).toEqual([1, 1, 2, undefined]);
    expect(cache.bytes).toBe(4 * one);
  });

  test('a stretch that does not follow replaces all', () => {
    const cache = new EntryCache(100 * one);
    cache.append(entries(1, 1, 5));
    cache.append(entries(2, 9, 9));
    expect(cache.firstIndex).toBe(9);
    expect(cache.bytes).toBe(one);
  });

  test('stays consistent over many evictions and compactions', () => {
    const cache = new EntryCache(10 * one);
    for (let i = 1; i <= 5000; i++) cache.append(entries(1, i, i));
    expect(cache.firstIndex).toBe(4991);
    cache.compactTo(4995);
    expect(cache.firstIndex).toBe(4996);
    expect(cache.at(5000)?.index).toBe(5000);
    cache.compactTo(9999);
    expect(cache.bytes).toBe(0);
  });
});
