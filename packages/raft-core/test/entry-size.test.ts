import { describe, expect, test } from 'vitest';
import fc from 'fast-check';
import { Entry, EntryType, entryOverheadBytes, entrySize, limitSize, NoLimit } from '@balsa/raft-core';

const sized = (index: number, data: number, context = 0): Entry =>
  new Entry(1, index, EntryType.Normal, new Uint8Array(data), new Uint8Array(context));

describe('entrySize', () => {
  test('counts data, context and a fixed part', () => {
    expect(entrySize(sized(1, 0))).toBe(entryOverheadBytes);
    expect(entrySize(sized(1, 10, 3))).toBe(entryOverheadBytes + 13);
  });
});

describe('limitSize', () => {
  test('gives the longest prefix within the limit, and at least one entry', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 50 }), { maxLength: 10 }), fc.nat({ max: 600 }), (sizes, limit) => {
        const entries = sizes.map((size, i) => sized(i + 1, size));
        let wanted = 0;
        for (let total = 0; wanted < entries.length; wanted++) {
          total += entryOverheadBytes + (sizes[wanted] ?? 0);
          if (total > limit) break;
        }
        expect(limitSize(entries, limit)).toEqual(entries.slice(0, Math.max(wanted, 1)));
      }),
    );
  });

  test('does not copy what it does not cut', () => {
    const entries = [sized(1, 5), sized(2, 5)];
    expect(limitSize(entries, NoLimit)).toBe(entries);
  });
});
