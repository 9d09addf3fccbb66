import { BalsaError } from '@balsa/raft-core';
import { describe, expect, test } from 'vitest';
import { queueBench, word } from './support/queue.ts';

describe('a commit queue', () => {
  test('what different owners want in one turn is one commit with the next sequence', async () => {
    const { queue, commits, turn } = await queueBench();
    const all = Promise.all([queue.submit(word({}, 'a')), queue.submit(word({}, 'b'))]);
    expect(commits).toEqual([]);
    turn();
    await all;
    expect(commits).toEqual([{ sequence: 8, words: ['a', 'b'], bytes: 2 }]);
    expect(queue.sequence).toBe(8);
  });

  test('jobs of one owner are prepared one after another, each on what the one before left', async () => {
    const { queue, commits, turn } = await queueBench();
    const owner = {};
    let present = 'nothing';
    const job = (text: string): Parameters<typeof queue.submit>[0] => ({
      owner,
      bytes: 0,
      prepare: () => {
        const before = present;
        return { ...word(owner, `${before} then ${text}`).prepare(), done: () => (present = text) };
      },
    });
    const all = Promise.all([queue.submit(job('a')), queue.submit(job('b')), queue.submit(word({}, 'c'))]);
    turn();
    turn();
    await all;
    expect(commits.map(({ words }) => words)).toEqual([['nothing then a', 'c'], ['a then b']]);
  });

  test('a refusal, an empty job and a good one in one turn: each hears its own outcome', async () => {
    const { queue, commits, turn } = await queueBench();
    const refusing = {
      owner: {},
      bytes: 0,
      prepare: () => {
        throw new BalsaError('STORE_GAP', 'no');
      },
    };
    const outcomes = Promise.allSettled([
      queue.submit(refusing),
      queue.submit({ owner: {}, bytes: 0, prepare: () => undefined }),
      queue.submit(word({}, 'a')),
    ]);
    turn();
    const [first, second, third] = await outcomes;
    expect(first).toMatchObject({ status: 'rejected', reason: { code: 'STORE_GAP' } });
    expect([second?.status, third?.status]).toEqual(['fulfilled', 'fulfilled']);
    expect(commits.map(({ words }) => words)).toEqual([['a']]);
  });

  test('a commit that was refused takes no sequence and leaves the queue usable', async () => {
    const { queue, commits, turn, fail } = await queueBench();
    let done = 0;
    fail(new BalsaError('STORE_IO', 'disk full'), false);
    const first = queue.submit(word({}, 'a', { done: () => done++ }));
    turn();
    await expect(first).rejects.toMatchObject({ code: 'STORE_IO' });
    expect([done, queue.poison]).toEqual([0, undefined]);
    const second = queue.submit(word({}, 'b'));
    turn();
    await second;
    expect(commits).toMatchObject([{ sequence: 8, words: ['b'] }]);
  });

  test('an unknown outcome poisons: what is queued and what comes later is refused', async () => {
    const { queue, commits, turn, fail } = await queueBench();
    const owner = {};
    fail(new BalsaError('STORE_UNKNOWN_OUTCOME', 'a sync failed'), true);
    const outcomes = Promise.allSettled([queue.submit(word(owner, 'a')), queue.submit(word(owner, 'b'))]);
    turn();
    turn();
    const [first, second] = await outcomes;
    expect(first).toMatchObject({ reason: { code: 'STORE_UNKNOWN_OUTCOME' } });
    expect(second).toMatchObject({ reason: { code: 'STORE_POISONED' } });
    await expect(queue.submit(word(owner, 'c'))).rejects.toMatchObject({ code: 'STORE_POISONED' });
    expect(() => {
      queue.check();
    }).toThrow(expect.objectContaining({ code: 'STORE_POISONED' }));
    expect(commits).toEqual([]);
  });

  test('a job that promises something is told after the watermark is synced, not before', async () => {
    const { queue, fs, watermark, turn } = await queueBench();
    fs.done.length = 0;
    const told = queue.submit(word({}, 'a', { sync: true })).then(() => fs.done.push('told'));
    turn();
    await told;
    expect(fs.done).toEqual(['write watermark', 'dataSync watermark', 'told']);
    expect(watermark.durableSequence).toBe(8);
  });

  test('a watermark that cannot be synced poisons', async () => {
    const { queue, fs, turn } = await queueBench();
    fs.failing.add('dataSync watermark');
    const told = queue.submit(word({}, 'a', { sync: true }));
    turn();
    await expect(told).rejects.toMatchObject({ code: 'STORE_UNKNOWN_OUTCOME' });
    expect(queue.poison).toBeDefined();
  });

  test('bounds: so many jobs, so many bytes, and one larger job alone', async () => {
    const { queue, commits, turn } = await queueBench({ maxJobs: 2, maxBytes: 10 });
    const all = Promise.all([
      queue.submit(word({}, 'a', { bytes: 4 })),
      queue.submit(word({}, 'b', { bytes: 4 })),
      queue.submit(word({}, 'c', { bytes: 50 })),
      queue.submit(word({}, 'd', { bytes: 1 })),
    ]);
    for (let i = 0; i < 3; i++) turn();
    await all;
    expect(commits.map(({ words }) => words)).toEqual([['a', 'b'], ['c'], ['d']]);
  });

  test('a smaller job never overtakes an earlier one of its own owner that did not fit', async () => {
    const { queue, commits, turn } = await queueBench({ maxBytes: 10 });
    const owner = {};
    const all = Promise.all([
      queue.submit(word({}, 'a', { bytes: 8 })),
      queue.submit(word(owner, 'large', { bytes: 8 })),
      queue.submit(word(owner, 'small', { bytes: 1 })),
    ]);
    for (let i = 0; i < 3; i++) turn();
    await all;
    expect(commits.map(({ words }) => words)).toEqual([['a'], ['large'], ['small']]);
  });

  test('drained waits for what is queued and for the watermark behind it', async () => {
    const { queue, turn } = await queueBench();
    const order: string[] = [];
    const told = queue.submit(word({}, 'a', { sync: true })).then(() => order.push('told'));
    const drained = queue.drained().then(() => order.push('drained'));
    turn();
    await Promise.all([told, drained]);
    expect(order).toEqual(['told', 'drained']);
    await queue.drained();
  });

  test('while a commit is synced elsewhere nothing is done, told, prepared or committed', async () => {
    const { queue, commits, turn, syncElsewhere, synced } = await queueBench();
    syncElsewhere();
    const order: string[] = [];
    const submit = (text: string): Promise<unknown> =>
      queue
        .submit(word({}, text, { done: () => order.push(`done ${text}`) }))
        .then(() => order.push(`told ${text}`));
    const first = submit('a');
    turn();
    const { committing } = queue;
    expect(committing).toBeDefined();
    const second = submit('b');
    turn();
    const drained = queue.drained().then(() => order.push('drained'));
    await new Promise<void>((resolve) => setImmediate(resolve));
    expect([order, commits.length, queue.sequence]).toEqual([[], 1, 7]);
    synced();
    await first;
    expect(queue.committing).toBeUndefined();
    expect([order, queue.sequence]).toEqual([['done a', 'told a'], 8]);
    await committing;
    turn();
    synced();
    await Promise.all([second, drained]);
    expect(order).toEqual(['done a', 'told a', 'done b', 'told b', 'drained']);
    expect(commits.map(({ sequence }) => sequence)).toEqual([8, 9]);
  });

  test('a sync elsewhere that fails tells all of its commit, and what came meanwhile is refused', async () => {
    const { queue, commits, turn, syncElsewhere, synced } = await queueBench();
    syncElsewhere();
    let done = 0;
    const outcomes = Promise.allSettled([
      queue.submit(word({}, 'a', { done: () => done++ })),
      queue.submit(word({}, 'b', { done: () => done++ })),
    ]);
    turn();
    const later = queue.submit(word({}, 'c'));
    const error = new BalsaError('STORE_UNKNOWN_OUTCOME', 'a sync failed');
    queue.poisonWith(error);
    synced(error);
    expect(await outcomes).toMatchObject([{ reason: error }, { reason: error }]);
    turn();
    await expect(later).rejects.toMatchObject({ code: 'STORE_POISONED' });
    expect([done, commits.length, queue.sequence, queue.committing]).toEqual([0, 1, 7, undefined]);
    await queue.drained();
  });

  test('a pause begins behind the commit under way, and what is submitted waits for its end', async () => {
    const { queue, commits, turn, syncElsewhere, synced } = await queueBench();
    syncElsewhere();
    const order: string[] = [];
    const first = queue.submit(word({}, 'a')).then(() => order.push('a'));
    turn();
    let end = (): void => undefined;
    const paused = queue.pause(() => {
      order.push('pause');
      return new Promise((resolve) => (end = resolve));
    });
    // Its turn is due already when the pause begins.
    const second = queue.submit(word({}, 'b')).then(() => order.push('b'));
    const drained = queue.drained().then(() => order.push('drained'));
    synced();
    await first;
    await new Promise<void>((resolve) => setImmediate(resolve));
    turn();
    expect(order).toEqual(['a', 'pause']);
    expect(commits).toHaveLength(1);
    end();
    await paused;
    turn();
    synced();
    await Promise.all([second, drained]);
    expect(order).toEqual(['a', 'pause', 'b', 'drained']);
  });

  test('a pause that fails says so to its caller, and commits go on', async () => {
    const { queue, turn } = await queueBench();
    const error = new Error('no');
    await expect(queue.pause(() => Promise.reject(error))).rejects.toBe(error);
    const later = queue.submit(word({}, 'a'));
    turn();
    await later;
    expect(queue.poison).toBeUndefined();
  });
});
