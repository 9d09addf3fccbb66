/** The log with its outline, unstable tail and bounded cache, against a plain array of entries. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EmptyOutline, Entry, entrySize, limitSize, silentLogger } from '../src/index.ts';
import { RaftLog } from '../src/raft-log.ts';
import { bytes } from './network/network.ts';

const one = entrySize(new Entry(1, 1, 0, bytes('xx')));

/** All entries from 1 on, for ever; compaction only moves `first`. */
class Model {
  readonly entries: Entry[] = [];
  first = 1;
  committed = 0;
  applied = 0;
  stable = 0;
  term = 1;

  get last(): number {
    return this.entries.length;
  }

  /** Replaces the suffix from `from`, in a new term where that cuts something off. */
  append(from: number, count: number): Entry[] {
    if (from <= this.last) this.term++;
    this.entries.length = from - 1;
    const fresh = Array.from({ length: count }, (_, i) => new Entry(this.term, from + i, 0, bytes('xx')));
    this.entries.push(...fresh);
    this.stable = Math.min(this.stable, from - 1);
    return fresh;
  }

  slice(low: number, high: number, maxBytes: number): readonly Entry[] {
    return limitSize(this.entries.slice(low - 1, high - 1), maxBytes);
  }
}

const action = fc.record({
  kind: fc.constantFrom('append', 'overwrite', 'persist', 'commit', 'apply', 'compact', 'newTerm'),
  /** Where in the range that the action allows. */
  at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
  count: fc.integer({ min: 1, max: 5 }),
});
type Action = { kind: string; at: number; count: number };

function between(low: number, high: number, at: number): number {
  return low + Math.floor(at * (high - low + 1));
}

function perform(log: RaftLog, model: Model, { kind, at, count }: Action): void {
  if (kind === 'newTerm') model.term++;
  else if (kind === 'append') log.append(model.append(model.last + 1, count));
  else if (kind === 'overwrite') {
    if (model.last === model.committed) return;
    log.append(model.append(between(model.committed + 1, model.last, at), count));
  } else if (kind === 'persist') {
    if (model.last === model.stable) return;
    const index = between(model.stable + 1, model.last, at);
    log.unstable.acceptInProgress();
    log.stableTo(model.entries[index - 1]?.term ?? 0, index);
    model.stable = index;
  } else if (kind === 'commit') {
    model.committed = between(model.committed, model.last, at);
    log.commitTo(model.committed);
  } else if (kind === 'apply') {
    model.applied = between(model.applied, Math.min(model.committed, model.stable), at);
    if (model.applied > log.applied) log.appliedTo(model.applied, 0);
  } else {
    model.first = Math.max(model.first, between(model.first, model.applied + 1, at));
    log.compactTo(model.first - 1);
  }
}

function checkPlaces(log: RaftLog, model: Model): void {
  expect(log.firstIndex).toBe(model.first);
  expect(log.lastIndex).toBe(model.last);
  expect(log.lastTerm).toBe(model.entries.at(-1)?.term ?? 0);
  expect(log.unstable.offset).toBe(model.stable + 1);
  for (let index = model.first - 1; index <= model.last; index++)
    expect(log.term(index)).toBe(index === 0 ? 0 : model.entries[index - 1]?.term);
  expect(log.term(model.last + 1)).toBeUndefined();
  if (model.first > 1) expect(log.term(model.first - 2)).toBeUndefined();
}

/** Every slice is the array's, cut short only where what follows is not in memory; the unstable tail always is. */
function checkSlices(log: RaftLog, model: Model, peeks: boolean, maxBytes: number): void {
  const high = model.last + 1;
  for (let low = model.first; low < high; low++) {
    const expected = model.slice(low, high, maxBytes);
    const actual = log.slice(low, high, maxBytes);
    if (peeks || low > model.stable) expect(actual).toEqual(expected);
    else if (actual === undefined) {
      expect(log.missing(low, high)).toEqual({ low, high: Math.min(high, model.stable + 1) });
      // What the store gives is continued by what is in memory.
      const fetched = model.slice(low, model.stable + 1, maxBytes);
      expect(log.extend(fetched, model.stable + 1, high, maxBytes)).toEqual(expected);
    } else {
      expect(actual.length).toBeGreaterThan(0);
      expect(actual).toEqual(expected.slice(0, actual.length));
    }
  }
}

describe('the log', () => {
  test.each([
    ['with no cache', 0, Infinity, false],
    ['with a cache of three entries', 3 * one, Infinity, false],
    ['with a large cache', 1000 * one, Infinity, false],
    ['with a large cache of which two entries are applied', 1000 * one, 2, false],
    ['with no cache and a store in memory', 0, Infinity, true],
  ])(
    '%s says what a plain array says, through any appends, truncations, compactions and evictions',
    (_, entryCacheBytes, entryCacheApplied, peeks) => {
      fc.assert(
        fc.property(
          fc.array(action, { maxLength: 60 }),
          fc.integer({ min: 0, max: 6 }),
          (actions, entries) => {
            const model = new Model();
            const peek = {
              entries: (low: number, high: number, maxBytes: number) => {
                expect(low).toBeGreaterThanOrEqual(model.first);
                expect(high).toBeLessThanOrEqual(model.stable + 1);
                return model.slice(low, high, maxBytes);
              },
              snapshot: () => undefined,
            };
            const log = new RaftLog({
              outline: EmptyOutline,
              logger: silentLogger,
              peek: peeks ? peek : undefined,
              entryCacheBytes,
              entryCacheApplied,
              maxApplyingBytes: 1000 * one,
            });
            for (const next of actions) {
              perform(log, model, next);
              checkPlaces(log, model);
            }
            checkSlices(log, model, peeks, entries * one);
            expect(log.cache.bytes).toBeLessThanOrEqual(entryCacheBytes);
            expect(log.applied - (log.cache.firstIndex ?? Infinity)).toBeLessThan(entryCacheApplied);
          },
        ),
        { numRuns: 150 },
      );
    },
  );
});
