import { crc32 as zlibCrc32 } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import fc from 'fast-check';
import {
  crc32,
  Entry,
  entryChecksum,
  EntryType,
  readSafeInteger,
  writeSafeInteger,
  type Crc32,
} from '@balsa/raft-core';

describe('crc32', () => {
  test('agrees with zlib, whole or continued', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat({ max: 300 }), (bytes, cut) => {
        const continued = crc32(bytes.subarray(cut), crc32(bytes.subarray(0, cut)));
        expect(crc32(bytes)).toBe(zlibCrc32(bytes));
        expect(continued).toBe(zlibCrc32(bytes));
      }),
    );
  });

  test('gives the check value of the standard', () => {
    expect(crc32(new TextEncoder().encode('123456789'))).toBe(0xcbf43926);
  });
});

describe('entryChecksum', () => {
  const of = (group: string, entry: Entry, crc?: Crc32): number => entryChecksum(group, crc)(entry);
  const base = new Entry(3, 7, EntryType.Normal, Uint8Array.of(1, 2), Uint8Array.of(9));

  test.each([
    ['term', new Entry(4, 7, EntryType.Normal, base.data, base.context)],
    ['high half of the term', new Entry(3 + 2 ** 40, 7, EntryType.Normal, base.data, base.context)],
    ['index', new Entry(3, 8, EntryType.Normal, base.data, base.context)],
    ['high half of the index', new Entry(3, 7 + 2 ** 40, EntryType.Normal, base.data, base.context)],
    ['type', new Entry(3, 7, EntryType.ConfChange, base.data, base.context)],
    ['data', new Entry(3, 7, EntryType.Normal, Uint8Array.of(1, 3), base.context)],
    ['context', new Entry(3, 7, EntryType.Normal, base.data, Uint8Array.of(8))],
    [
      'border between context and data',
      new Entry(3, 7, EntryType.Normal, Uint8Array.of(2), Uint8Array.of(9, 1)),
    ],
  ])('differs when the %s differs', (_, other) => {
    expect(of('g', other)).not.toBe(of('g', base));
  });

  test.each([
    ['g', 'h'],
    ['1', '10'],
    ['ab', '\u6162'],
    ['a', 'a\0'],
    ['\ud800', '\ud801'],
  ])('differs between the groups %j and %j', (one, other) => {
    expect(of(one, base)).not.toBe(of(other, base));
  });

  test('is the same with the native function', () => {
    expect(of('g', base, zlibCrc32)).toBe(of('g', base));
  });

  test('of one function does not depend on what was checked before', () => {
    const check = entryChecksum('g');
    const first = check(base);
    check(new Entry(9, 9));
    expect(check(base)).toBe(first);
  });
});

test('safe integers come back from their eight bytes', () => {
  const view = new DataView(new ArrayBuffer(9));
  fc.assert(
    fc.property(fc.maxSafeNat(), (value) => {
      writeSafeInteger(view, 1, value);
      expect(readSafeInteger(view, 1)).toBe(value);
      expect(view.getBigUint64(1)).toBe(BigInt(value));
    }),
  );
});
