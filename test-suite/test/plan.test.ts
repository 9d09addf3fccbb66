import { createMemoryDisk, openMemoryEngine } from '@balsa/raft-core/memory';
import { describe, expect, test } from 'vitest';
import { Expected } from '../src/child/expected.ts';
import { observe } from '../src/child/observe.ts';
import { Actor } from '../src/child/perform.ts';
import { makePlan } from '../src/child/plan.ts';

describe('a plan', () => {
  test.each([1, 2, 3, 4, 5, 6, 7, 8])(
    'of seed %i is one that a correct store never refuses',
    async (seed) => {
      const plan = makePlan({ seed, rounds: 80, orderedStore: true, plain: 20 });
      const expected = await Expected.of(plan);
      const disk = createMemoryDisk();
      const actor = new Actor(plan, async () => openMemoryEngine({ disk }));
      await actor.open();
      for (const round of plan.rounds) await Promise.all(round.map((step) => actor.perform(step)));
      await actor.close();
      const engine = openMemoryEngine({ disk });
      const sight = await observe(engine, plan);
      expect(expected.wrong(sight, expected.complete)).toBeUndefined();
      const kinds = new Set(plan.rounds.flat().map((step) => step.action.kind));
      expect([...kinds].sort()).toEqual(
        [
          'compact',
          'create',
          'maintain',
          'prune',
          'put',
          'receive',
          'reopen',
          'restore',
          'stamp',
          'sync',
          'write',
        ].sort(),
      );
    },
  );

  test('ends with plain writes, none of which changes term or vote', () => {
    const writes = makePlan({ seed: 1, rounds: 8, orderedStore: true, plain: 7 })
      .rounds.slice(-8)
      .map((round) => round.map(({ action }) => action));
    const [vote, ...plain] = writes.flat();
    if (vote?.kind !== 'write' || vote.hardState === undefined) throw new TypeError('no vote comes first');
    const { term } = vote.hardState;
    expect(plain).toHaveLength(7);
    for (const action of plain) {
      if (action.kind !== 'write') throw new TypeError(`a plain write is a ${action.kind}`);
      expect(action.hardState ?? vote.hardState).toMatchObject({ term, vote: vote.hardState.vote });
    }
  });
});
