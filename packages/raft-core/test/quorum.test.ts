import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { JointConfig } from '../src/quorum/joint.ts';
import { CommittedInfinity, MajorityConfig } from '../src/quorum/majority.ts';
import { VoteResult } from '../src/quorum/vote-result.ts';
import type { LogIndex, NodeId } from '../src/types.ts';

const options = { seed: 20261123, numRuns: 2000 };
const ids = fc.uniqueArray(fc.integer({ min: 1, max: 9 }), { maxLength: 7 });
const acked = fc
  .dictionary(fc.constantFrom('1', '2', '3', '4', '5', '6', '7', '8', '9'), fc.nat(12))
  .map(
    (record) => new Map(Object.entries(record).map(([id, index]): [NodeId, LogIndex] => [Number(id), index])),
  );
const votes = fc
  .dictionary(fc.constantFrom('1', '2', '3', '4', '5', '6', '7', '8', '9'), fc.boolean())
  .map(
    (record) => new Map(Object.entries(record).map(([id, vote]): [NodeId, boolean] => [Number(id), vote])),
  );

/** The definition itself: the highest index that more than half of the members have. */
function committedByCounting(members: readonly NodeId[], index: ReadonlyMap<NodeId, LogIndex>): LogIndex {
  if (members.length === 0) return CommittedInfinity;
  for (let candidate = 12; candidate > 0; candidate--) {
    if (members.filter((id) => (index.get(id) ?? 0) >= candidate).length * 2 > members.length)
      return candidate;
  }
  return 0;
}

/** By trying every way in which the missing votes could still come in. */
function resultByTrying(
  configs: readonly (readonly NodeId[])[],
  cast: ReadonlyMap<NodeId, boolean>,
): VoteResult {
  const missing = [...new Set(configs.flat())].filter((id) => !cast.has(id));
  let won = 0;
  const total = 2 ** missing.length;
  for (let mask = 0; mask < total; mask++) {
    const yes = (id: NodeId): boolean => cast.get(id) ?? (mask & (1 << missing.indexOf(id))) !== 0;
    if (configs.every((members) => members.length === 0 || members.filter(yes).length * 2 > members.length))
      won++;
  }
  if (won === total) return VoteResult.VoteWon;
  return won === 0 ? VoteResult.VoteLost : VoteResult.VotePending;
}

describe('a majority', () => {
  test('commits the highest index that more than half have', () => {
    fc.assert(
      fc.property(ids, acked, (members, index) => {
        expect(new MajorityConfig(members).committedIndex((id) => index.get(id))).toBe(
          committedByCounting(members, index),
        );
      }),
      options,
    );
  });

  test('wins or loses as soon as no missing vote can change it, and not before', () => {
    fc.assert(
      fc.property(ids, votes, (members, cast) => {
        expect(new MajorityConfig(members).voteResult(cast)).toBe(resultByTrying([members], cast));
      }),
      options,
    );
  });

  test('does not depend on the order or repetition of its members', () => {
    fc.assert(
      fc.property(ids, acked, (members, index) => {
        const shuffled = new MajorityConfig([...members, ...members].reverse());
        const of = (id: NodeId): LogIndex | undefined => index.get(id);
        expect(shuffled.ids).toEqual(new MajorityConfig(members).ids);
        expect(shuffled.committedIndex(of)).toBe(new MajorityConfig(members).committedIndex(of));
      }),
      options,
    );
  });

  test('counts indexes up to the largest safe integer exactly', () => {
    const high = Number.MAX_SAFE_INTEGER - 3;
    const config = new MajorityConfig([1, 2, 3]);
    expect(config.committedIndex((id) => high + id - 1)).toBe(high + 1);
  });
});

describe('a joint quorum', () => {
  test('commits what both halves have', () => {
    fc.assert(
      fc.property(ids, ids, acked, (a, b, index) => {
        const joint = new JointConfig(new MajorityConfig(a), new MajorityConfig(b));
        expect(joint.committedIndex((id) => index.get(id))).toBe(
          Math.min(committedByCounting(a, index), committedByCounting(b, index)),
        );
      }),
      options,
    );
  });

  test('is won only when both halves are, and lost as soon as one half is', () => {
    fc.assert(
      fc.property(ids, ids, votes, (a, b, cast) => {
        const joint = new JointConfig(new MajorityConfig(a), new MajorityConfig(b));
        const halves = [resultByTrying([a], cast), resultByTrying([b], cast)];
        const expected = halves.includes(VoteResult.VoteLost)
          ? VoteResult.VoteLost
          : halves.every((r) => r === VoteResult.VoteWon)
            ? VoteResult.VoteWon
            : VoteResult.VotePending;
        expect(joint.voteResult(cast)).toBe(expected);
      }),
      options,
    );
  });

  test('two winning sets of votes always share a member, in each half', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 7 }),
        ids,
        votes,
        (a, b, cast) => {
          const joint = new JointConfig(new MajorityConfig(a), new MajorityConfig(b));
          const opposite = new Map([...cast].map(([id, vote]): [NodeId, boolean] => [id, !vote]));
          const bothWon =
            joint.voteResult(cast) === VoteResult.VoteWon &&
            joint.voteResult(opposite) === VoteResult.VoteWon;
          expect(bothWon).toBe(false);
        },
      ),
      options,
    );
  });
});
