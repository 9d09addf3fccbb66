import { expect, test } from 'vitest';
import { Outbox } from '../../src/worker/outbox.ts';

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('what is said in one turn, also by promises that settle in it, is one message in its order', async () => {
  const posts: (readonly number[])[] = [];
  const outbox = new Outbox<number>(
    (items) => void posts.push(items),
    () => expect.unreachable(),
  );
  outbox.push(1);
  process.nextTick(() => {
    outbox.push(2);
  });
  const later = Promise.resolve().then(async () => {
    await Promise.resolve();
    outbox.push(3);
  });
  await later;
  await nextTurn();
  expect(posts).toEqual([[1, 3, 2]]);
  outbox.push(4);
  outbox.flush();
  await nextTurn();
  expect(posts).toEqual([[1, 3, 2], [4]]);
});

test('an item that cannot be sent is told so, and takes no other with it', async () => {
  const posts: (readonly string[])[] = [];
  const refused: string[] = [];
  const outbox = new Outbox<string>(
    (items) => {
      if (items.includes('bad')) throw new Error('cannot be cloned');
      posts.push(items);
    },
    (item) => void refused.push(item),
  );
  for (const item of ['a', 'bad', 'b']) outbox.push(item);
  await nextTurn();
  expect(posts).toEqual([['a'], ['b']]);
  expect(refused).toEqual(['bad']);
});
