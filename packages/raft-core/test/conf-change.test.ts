import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Changer, type ConfChangeOutcome } from '../src/conf-change/changer.ts';
import {
  asV2,
  enterJoint,
  formatConfChanges,
  leaveJoint,
  parseConfChanges,
} from '../src/conf-change/conf-change.ts';
import { restoreConf } from '../src/conf-change/restore.ts';
import { isBalsaError } from '../src/errors.ts';
import { VoteResult } from '../src/quorum/vote-result.ts';
import { formatProgressMap, formatTrackerConfig, ProgressTracker } from '../src/tracker/tracker.ts';
import {
  ConfChangeTransition,
  ConfChangeType,
  EmptyBytes,
  EmptyConfState,
  type ConfChangeSingle,
  type ConfChangeV2,
  type NodeId,
} from '../src/types.ts';

const options = { seed: 20261123, numRuns: 500 };
const limits = { maxInflight: 10, maxInflightBytes: 0 };

const single: fc.Arbitrary<ConfChangeSingle> = fc.record({
  type: fc.constantFrom(...Object.values(ConfChangeType)),
  nodeId: fc.integer({ min: 0, max: 8 }),
});
const changes = fc.array(single, { maxLength: 6 });

function newTracker(start = 'v1 v2 v3 l4'): ProgressTracker {
  const tracker = new ProgressTracker(limits);
  for (const change of parseConfChanges(start))
    take(tracker, new Changer({ tracker, lastIndex: 10 }).simple([change]));
  return tracker;
}

function take(tracker: ProgressTracker, outcome: ConfChangeOutcome): void {
  tracker.config = outcome.config;
  tracker.progress = outcome.progress;
}

function changer(tracker: ProgressTracker): Changer {
  return new Changer({ tracker, lastIndex: 10 });
}

/** Undefined when it is refused as an impossible membership change; any other failure is passed on. */
function attempt(action: () => ConfChangeOutcome): ConfChangeOutcome | undefined {
  try {
    return action();
  } catch (error) {
    if (isBalsaError(error, 'CONF_CHANGE_INVALID')) return undefined;
    throw error;
  }
}

function text(outcome: ConfChangeOutcome): string {
  return `${formatTrackerConfig(outcome.config)}\n${formatProgressMap(outcome.progress)}`;
}

describe('the changer', () => {
  test('reaches by a joint change what a simple change reaches', () => {
    fc.assert(
      fc.property(changes, (list) => {
        const simple = attempt(() => changer(newTracker()).simple(list));
        fc.pre(simple !== undefined);
        const tracker = newTracker();
        take(tracker, changer(tracker).enterJoint(false, list));
        expect(text(changer(tracker).leaveJoint())).toBe(text(simple));
      }),
      options,
    );
  });

  test('reaches by one joint change what its parts reach one after another', () => {
    fc.assert(
      fc.property(changes, (list) => {
        const stepwise = newTracker('v7 v8');
        const possible = list.every((change) => {
          const outcome = attempt(() => changer(stepwise).simple([change]));
          if (outcome !== undefined) take(stepwise, outcome);
          return outcome !== undefined;
        });
        fc.pre(possible);
        const tracker = newTracker('v7 v8');
        take(tracker, changer(tracker).enterJoint(true, list));
        take(tracker, changer(tracker).leaveJoint());
        expect(formatTrackerConfig(tracker.config)).toBe(formatTrackerConfig(stepwise.config));
      }),
      options,
    );
  });

  test('refuses a simple change of more than one voter, so that old and new majorities always meet', () => {
    fc.assert(
      fc.property(changes, (list) => {
        const before = newTracker();
        const after = attempt(() => changer(before).simple(list));
        fc.pre(after !== undefined);
        const all = [0, 1, 2, 3, 4, 5, 6, 7, 8];
        for (let mask = 0; mask < 2 ** all.length; mask++) {
          const votes = new Map(all.map((id): [NodeId, boolean] => [id, (mask & (1 << id)) !== 0]));
          const opposite = new Map(all.map((id): [NodeId, boolean] => [id, (mask & (1 << id)) === 0]));
          const apart =
            before.config.voters.voteResult(votes) === VoteResult.VoteWon &&
            after.config.voters.voteResult(opposite) === VoteResult.VoteWon;
          expect(apart).toBe(false);
        }
      }),
      { seed: 20261123, numRuns: 60 },
    );
  });

  test('leaves the tracker untouched, whether it succeeds or refuses', () => {
    fc.assert(
      fc.property(changes, fc.boolean(), (list, joint) => {
        const tracker = newTracker();
        const before = text(tracker);
        attempt(() => (joint ? changer(tracker).enterJoint(true, list) : changer(tracker).simple(list)));
        expect(text(tracker)).toBe(before);
      }),
      options,
    );
  });

  test('keeps what is known of members that stay', () => {
    const tracker = newTracker();
    const second = tracker.progress.get(2);
    second?.becomeReplicate();
    second?.maybeUpdate(9);
    take(tracker, changer(tracker).enterJoint(false, parseConfChanges('r1 v5')));
    expect(String(tracker.progress.get(2))).toBe('StateReplicate match=9 next=10');
  });
});

test('a type that does not exist is refused, not passed over', () => {
  const unknown = { type: 9 as ConfChangeType, nodeId: 5 };
  expect(() => changer(newTracker()).simple([unknown])).toThrow(
    expect.objectContaining({ code: 'CONF_CHANGE_INVALID' }),
  );
});

describe('restoring a conf state', () => {
  test('gives back every configuration that changes can lead to', () => {
    fc.assert(
      fc.property(changes, fc.boolean(), fc.boolean(), (list, joint, autoLeave) => {
        const tracker = newTracker();
        const outcome = attempt(() =>
          joint ? changer(tracker).enterJoint(autoLeave, list) : changer(tracker).simple(list),
        );
        fc.pre(outcome !== undefined);
        take(tracker, outcome);
        const confState = tracker.confState();
        const restored = new ProgressTracker(limits);
        take(restored, restoreConf(10, restored, confState));
        expect(restored.confState()).toEqual(confState);
        expect([...restored.progress.keys()].sort()).toEqual([...tracker.progress.keys()].sort());
      }),
      options,
    );
  });

  test('an empty one gives an empty tracker', () => {
    const outcome = restoreConf(0, new ProgressTracker(limits), EmptyConfState);
    expect(text(outcome)).toBe('voters=()\n');
  });

  test('one with learners but no voters is refused: no change leads there', () => {
    const confState = { ...EmptyConfState, learners: [1] };
    expect(() => restoreConf(0, new ProgressTracker(limits), confState)).toThrow(
      expect.objectContaining({ code: 'CONF_CHANGE_INVALID' }),
    );
  });
});

describe('the kind of a change', () => {
  const v2 = (transition: ConfChangeTransition, list: string): ConfChangeV2 => ({
    version: 2,
    transition,
    changes: parseConfChanges(list),
    context: EmptyBytes,
  });
  test.each([
    [ConfChangeTransition.Auto, 'v1', undefined],
    [ConfChangeTransition.Auto, 'v1 v2', true],
    [ConfChangeTransition.Implicit, 'v1', true],
    [ConfChangeTransition.Explicit, 'v1', false],
    [ConfChangeTransition.Explicit, '', false],
  ])('transition %d with "%s" leaves by itself: %s', (transition, list, autoLeave) => {
    expect(enterJoint(v2(transition, list))?.autoLeave).toBe(autoLeave);
  });

  test('an empty change leaves a joint configuration, whatever its context', () => {
    expect(leaveJoint({ ...v2(ConfChangeTransition.Auto, ''), context: new Uint8Array([1]) })).toBe(true);
    expect(leaveJoint(v2(ConfChangeTransition.Auto, 'v1'))).toBe(false);
    expect(leaveJoint(v2(ConfChangeTransition.Explicit, ''))).toBe(false);
  });

  test('a change of the first version is one simple change', () => {
    const v1 = {
      version: 1,
      id: 7,
      type: ConfChangeType.RemoveNode,
      nodeId: 3,
      context: new Uint8Array([9]),
    } as const;
    const same = asV2(v1);
    expect([formatConfChanges(same.changes), enterJoint(same), leaveJoint(same)]).toEqual([
      'r3',
      undefined,
      false,
    ]);
    expect(same.context).toBe(v1.context);
  });
});

describe('the text form', () => {
  test('is read back the same', () => {
    fc.assert(
      fc.property(changes, (list) => {
        expect(parseConfChanges(formatConfChanges(list))).toEqual(list);
      }),
      options,
    );
  });

  test.each(['x1', 'v', 'v-1', '1', 'v1x', 'v99999999999999999999'])('"%s" is refused', (bad) => {
    expect(() => parseConfChanges(bad)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });
});

describe('the tracker', () => {
  test('visits members in order of id, however they came', () => {
    const tracker = newTracker('v9 v1 l5 v10');
    const seen: NodeId[] = [];
    tracker.visit((id) => seen.push(id));
    expect(seen).toEqual([1, 5, 9, 10]);
  });

  test('counts the first vote of each voter only, and none of learners or strangers', () => {
    const tracker = newTracker('v1 v2 v3 l4');
    tracker.recordVote(1, true);
    tracker.recordVote(2, false);
    tracker.recordVote(2, true);
    tracker.recordVote(4, true);
    tracker.recordVote(5, true);
    expect(tracker.tallyVotes()).toEqual({ granted: 1, rejected: 1, result: VoteResult.VotePending });
    tracker.recordVote(3, true);
    expect(tracker.tallyVotes()).toEqual({ granted: 2, rejected: 1, result: VoteResult.VoteWon });
    tracker.resetVotes();
    expect(tracker.tallyVotes().result).toBe(VoteResult.VotePending);
  });

  test('has an active quorum only through voters', () => {
    const tracker = newTracker('v1 v2 v3 l4 l5');
    for (const [id, pr] of tracker.progress) pr.recentActive = id >= 3;
    expect(tracker.quorumActive()).toBe(false);
    const second = tracker.progress.get(2);
    if (second !== undefined) second.recentActive = true;
    expect(tracker.quorumActive()).toBe(true);
  });

  test('commits by the acknowledgements of voters, in a joint configuration by both halves', () => {
    const tracker = newTracker('v1 v2 v3 l4');
    const matches = new Map([
      [1, 10],
      [2, 8],
      [3, 2],
      [4, 10],
    ]);
    for (const [id, pr] of tracker.progress) pr.match = matches.get(id) ?? 0;
    expect(tracker.committed()).toBe(8);
    take(tracker, changer(tracker).enterJoint(false, parseConfChanges('r1 r2')));
    expect(tracker.committed()).toBe(2);
    expect([tracker.isSingleton(), tracker.voterNodes(), tracker.learnerNodes()]).toEqual([
      false,
      [1, 2, 3],
      [4],
    ]);
  });
});
