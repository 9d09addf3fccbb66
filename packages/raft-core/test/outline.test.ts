import { describe, expect, test } from 'vitest';
import fc from 'fast-check';
import { Entry, EntryType, Outline } from '@balsa/raft-core';

/** The plain way: one record per entry. */
interface Model {
  boundary: { index: number; term: number };
  entries: Entry[];
}

type Step =
  | {
      readonly kind: 'append';
      readonly back: number;
      readonly terms: readonly number[];
      readonly conf: number;
    }
  | { readonly kind: 'truncate'; readonly back: number }
  | { readonly kind: 'compact'; readonly forward: number }
  | { readonly kind: 'reset'; readonly ahead: number };

const small = fc.nat({ max: 6 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('append' as const), back: small, terms: fc.array(fc.nat({ max: 2 }), { maxLength: 6 }), conf: small }) }, // prettier-ignore
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('truncate' as const), back: small }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('compact' as const), forward: small }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reset' as const), ahead: small }) },
);

const lastOf = (model: Model): number => model.boundary.index + model.entries.length;
const termAt = (model: Model, index: number): number | undefined =>
  index === model.boundary.index
    ? model.boundary.term
    : model.entries.find((entry) => entry.index === index)?.term;

function take(model: Model, outline: Outline, action: Step): void {
  if (action.kind === 'append') {
    const from = Math.max(model.boundary.index + 1, lastOf(model) + 1 - action.back);
    let term = termAt(model, from - 1) ?? 0;
    const added = action.terms.map((grow, i) => {
      term += grow;
      return new Entry(term, from + i, i === action.conf ? EntryType.ConfChangeV2 : EntryType.Normal);
    });
    outline.append(added);
    if (added.length > 0) model.entries = [...model.entries.filter((entry) => entry.index < from), ...added];
  } else if (action.kind === 'truncate') {
    const from = Math.max(model.boundary.index + 1, lastOf(model) + 1 - action.back);
    outline.truncateFrom(from);
    model.entries = model.entries.filter((entry) => entry.index < from);
  } else if (action.kind === 'compact') {
    const to = Math.min(lastOf(model), model.boundary.index + action.forward);
    outline.compactTo(to);
    model.boundary = { index: to, term: termAt(model, to) ?? 0 };
    model.entries = model.entries.filter((entry) => entry.index > to);
  } else {
    const boundary = {
      index: lastOf(model) + action.ahead,
      term: (termAt(model, lastOf(model)) ?? 0) + action.ahead,
    };
    outline.reset(boundary);
    model.boundary = boundary;
    model.entries = [];
  }
}

function compare(model: Model, outline: Outline): void {
  const last = lastOf(model);
  expect(outline.firstIndex).toBe(model.boundary.index + 1);
  expect(outline.lastIndex).toBe(last);
  expect(outline.lastTerm).toBe(termAt(model, last));
  for (let i = Math.max(0, model.boundary.index - 2); i <= last + 2; i++) {
    expect(outline.term(i)).toBe(termAt(model, i));
  }
  const conf = model.entries.filter((entry) => entry.type !== EntryType.Normal).map((entry) => entry.index);
  expect(outline.confIndexesIn(0, last)).toEqual(conf);
  const middle = model.boundary.index + Math.ceil(model.entries.length / 2);
  expect(outline.hasConfChangeIn(middle, last)).toBe(conf.some((index) => index > middle));
  const runs = model.entries.filter((entry, i) => i === 0 || model.entries[i - 1]?.term !== entry.term);
  expect(outline.toData().runs).toEqual(runs.map(({ index, term }) => ({ index, term })));
}

describe('Outline', () => {
  test('says what a plain array of entries says, after any appends, truncations, compactions and resets', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const model: Model = { boundary: { index: 0, term: 0 }, entries: [] };
        let outline = new Outline();
        for (const action of steps) {
          take(model, outline, action);
          compare(model, outline);
          outline = new Outline(outline.toData());
          compare(model, outline);
        }
      }),
      { numRuns: 500 },
    );
  });

  test('hands out copies: later changes do not show in data given before', () => {
    const outline = new Outline();
    outline.append([new Entry(1, 1, EntryType.ConfChange)]);
    const data = outline.toData();
    outline.append([new Entry(2, 2, EntryType.ConfChange)]);
    outline.compactTo(1);
    expect(data).toEqual({
      boundary: { index: 0, term: 0 },
      runs: [{ index: 1, term: 1 }],
      confIndexes: [1],
      lastIndex: 1,
    });
  });

  test.each([
    ['a gap', (outline: Outline) => outline.append([new Entry(1, 3)])],
    ['entries out of order', (outline: Outline) => outline.append([new Entry(1, 1), new Entry(1, 3)])],
    ['a truncation below the first entry', (outline: Outline) => outline.truncateFrom(0)],
    ['a compaction beyond the last entry', (outline: Outline) => outline.compactTo(1)],
    ['data without runs', () => new Outline({ boundary: { index: 0, term: 0 }, runs: [], confIndexes: [], lastIndex: 1 })], // prettier-ignore
  ])('refuses %s as a broken invariant', (_, act) => {
    expect(() => act(new Outline())).toThrow(expect.objectContaining({ code: 'INVARIANT_BROKEN' }));
  });
});
