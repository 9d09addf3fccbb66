import { Entry, isBalsaError } from '@balsa/raft-core';
import { LogState } from '@balsa/storage-kit';
import { describe, expect, test } from 'vitest';

function filled(): LogState {
  const state = new LogState();
  const batch = { entries: [new Entry(1, 1), new Entry(1, 2)], hardState: { term: 1, vote: 0, commit: 2 } };
  state.apply(state.plan(batch, 1024, () => undefined));
  return state;
}

describe('LogState', () => {
  // A store that is built on it and asks nothing itself must not take NaN for an index that is compacted already.
  test.each([Number.NaN, -1, 1.5, Infinity, 2 ** 53])('refuses to plan a compaction to %d', (index) => {
    const state = filled();
    expect(() => state.planCompaction(index)).toThrow(
      expect.toSatisfy((error: unknown) => isBalsaError(error, 'OUT_OF_RANGE')),
    );
  });

  test('plans a compaction to a committed entry, and none to the boundary', () => {
    const state = filled();
    expect(state.planCompaction(2)).toEqual({ index: 2, term: 1 });
    expect(state.planCompaction(0)).toBeUndefined();
  });
});
