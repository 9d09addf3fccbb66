import { describe, expect, test } from 'vitest';
import { ProgressState } from '../src/core.ts';
import { Inflights } from '../src/tracker/inflights.ts';
import { Progress } from '../src/tracker/progress.ts';

function progress(
  match: number,
  next: number,
  state: ProgressState = ProgressState.Probe,
  window = 256,
): Progress {
  const pr = new Progress({ match, next, inflights: new Inflights(window), recentActive: true });
  pr.state = state;
  return pr;
}

describe('a probe', () => {
  test('after a snapshot starts behind it, though nothing was acknowledged', () => {
    const pr = progress(1, 5);
    pr.becomeSnapshot(10);
    pr.becomeProbe();
    expect([pr.next, pr.match, pr.pendingSnapshot]).toEqual([11, 1, 0]);
  });

  test('after a snapshot starts behind the acknowledged index when that is higher', () => {
    const pr = progress(1, 5);
    pr.becomeSnapshot(10);
    pr.match = 12;
    pr.becomeProbe();
    expect(pr.next).toBe(13);
  });

  test('is paused by one append, not by an empty one', () => {
    const pr = progress(0, 1);
    pr.sentEntries(0, 0);
    expect(pr.isPaused()).toBe(false);
    pr.sentEntries(2, 10);
    expect([pr.isPaused(), pr.next]).toEqual([true, 1]);
  });

  test.each([
    // match, next, rejected, hint, expected next (undefined: stale)
    [0, 10, 5, 5, undefined],
    [0, 10, 9, 9, 9],
    [0, 2, 1, 1, 1],
    [0, 1, 0, 0, 1],
    [0, 10, 9, 2, 3],
    [0, 10, 9, 0, 1],
    [5, 10, 9, 2, 6],
  ])(
    'match %d next %d: a refusal at %d with hint %d leads to next %s',
    (match, next, rejected, hint, expected) => {
      const pr = progress(match, next);
      pr.msgAppFlowPaused = true;
      expect(pr.maybeDecrTo(rejected, hint)).toBe(expected !== undefined);
      expect(pr.next).toBe(expected ?? next);
      expect(pr.isPaused()).toBe(expected === undefined);
    },
  );
});

describe('replication', () => {
  test('runs ahead of the acknowledgements until the window is full', () => {
    const pr = progress(5, 6, ProgressState.Probe, 2);
    pr.becomeReplicate();
    pr.sentEntries(3, 30);
    expect([pr.next, pr.isPaused()]).toEqual([9, false]);
    pr.sentEntries(1, 10);
    expect([pr.next, pr.isPaused(), String(pr)]).toEqual([
      10,
      true,
      'StateReplicate match=5 next=10 paused inflight=2[full]',
    ]);
  });

  test.each([
    [9, 9, false, 10],
    [9, 8, false, 10],
    [5, 9, true, 6],
    [5, 6, true, 6],
  ])('match %d: a refusal at %d is news: %s, and next becomes %d', (match, rejected, news, next) => {
    const pr = progress(match, 10, ProgressState.Replicate);
    pr.sentCommit = 9;
    expect(pr.maybeDecrTo(rejected, 0)).toBe(news);
    expect([pr.next, pr.sentCommit]).toEqual([next, Math.min(9, next - 1)]);
  });

  test('an empty append is worth sending only while the member may lack the commit index', () => {
    const pr = progress(5, 11, ProgressState.Replicate);
    pr.sentCommitUpTo(7);
    expect(pr.canBumpCommit(7)).toBe(false);
    expect(pr.canBumpCommit(8)).toBe(true);
    pr.sentCommitUpTo(10);
    // Everything sent is known to be committed already.
    expect(pr.canBumpCommit(20)).toBe(false);
  });
});

describe('acknowledgements', () => {
  test.each([
    [2, false, 3, 5],
    [3, false, 3, 5],
    [4, true, 4, 5],
    [5, true, 5, 6],
    [9, true, 9, 10],
  ])('of %d at match 3, next 5 are news: %s; match %d, next %d', (n, news, match, next) => {
    const pr = progress(3, 5);
    pr.msgAppFlowPaused = true;
    expect(pr.maybeUpdate(n)).toBe(news);
    expect([pr.match, pr.next, pr.isPaused()]).toEqual([match, next, !news]);
  });
});

describe('a snapshot under way', () => {
  test('pauses appends, and counts as having sent its commit index', () => {
    const pr = progress(1, 2, ProgressState.Replicate);
    pr.becomeSnapshot(10);
    expect([pr.isPaused(), pr.next, pr.sentCommit]).toEqual([true, 11, 10]);
    expect(() => {
      pr.sentEntries(1, 1);
    }).toThrow(expect.objectContaining({ code: 'INVARIANT_BROKEN' }));
  });

  test('empties the window', () => {
    const pr = progress(1, 2, ProgressState.Replicate);
    pr.sentEntries(1, 1);
    pr.becomeSnapshot(10);
    expect(String(pr)).toBe('StateSnapshot match=1 next=11 paused pendingSnap=10');
  });
});

test('a silent learner is told apart in text', () => {
  const pr = new Progress({ next: 1, inflights: new Inflights(1), isLearner: true });
  expect(String(pr)).toBe('StateProbe match=0 next=1 learner inactive');
});
