import { expect, test } from 'vitest';
import { entries, env, key, openEngine, openGroup, temporaryDirectory } from './support/index.ts';

/** The turns of the event loop that passed meanwhile. */
async function turnsDuring(run: () => Promise<void>): Promise<number> {
  let [turns, over] = [0, false];
  const count = (): void => {
    turns++;
    if (!over) env.setTimer(0, count);
  };
  env.setTimer(0, count);
  await run();
  over = true;
  return turns;
}

test('a row of housekeeping slices leaves turns to everybody else', async () => {
  const engine = await openEngine(temporaryDirectory());
  const storage = await openGroup(engine);
  for (let i = 0; i < 20; i++) {
    const last = (i + 1) * 500;
    await storage.write({
      entries: entries(i * 500 + 1, 500, 1, new Uint8Array(2000)),
      hardState: { term: 1, vote: 1, commit: last },
    });
  }
  await storage.compactTo(10_000);
  const turns = await turnsDuring(async () => {
    while (await storage.maintain());
  });
  expect(turns).toBeGreaterThan(2);
});

test('a row of applied batches and of pages of a view leaves turns to everybody else', async () => {
  const engine = await openEngine(temporaryDirectory());
  const store = engine.orderedStore('kv');
  await store.open();
  const value = new Uint8Array(500);
  const writing = await turnsDuring(async () => {
    for (let n = 1; n <= 60; n++) {
      const changes = Array.from(
        { length: 200 },
        (_, i) => [key(`${String(n)} ${String(i)}`), value] as const,
      );
      await store.write({ changes, appliedIndex: n });
    }
  });
  expect(writing).toBeGreaterThan(2);
  const view = await store.view();
  const reading = await turnsDuring(async () => {
    for (let i = 0; i < 10; i++) expect(await view.range({ limit: 12_000 })).toHaveLength(12_000);
  });
  expect(reading).toBeGreaterThan(2);
  await view.release();
});
