/** What a dead process was in the middle of is removed, so that dying again and again does not fill the disk. */
import assert from 'node:assert/strict';
import type { CaseContext, ConformanceCase } from '../case.ts';
import { Holder } from '../holder/holder.ts';
import { bytes, hard, meta, pattern, run } from '../make.ts';
import type { Tree } from '../power/disk.ts';
import { maintainToEnd, spaceAtRest } from '../space.ts';

const megabyte = 1024 * 1024;
const lives = 6;

/** Begins much and finishes nothing. Resolves with the files as the process leaves them that dies then. */
async function dieInTheMiddle(context: CaseContext, holder: Holder): Promise<Tree> {
  const { storage } = await context.group();
  const writers = [await storage.createSnapshot(meta(4, 1)), await storage.receiveSnapshot(meta(20, 2))];
  for (const writer of writers) for (let n = 0; n < 4; n++) await writer.write(pattern(megabyte / 2, n));
  if (context.hasOrderedStore) {
    const store = (await context.engine()).orderedStore('kv');
    await store.open();
    const restore = await store.beginRestore();
    for (let n = 0; n < 4; n++)
      await restore.put([{ key: bytes(`key ${String(n)}`), value: pattern(megabyte / 2, n) }]);
  }
  const left = await holder.read();
  await context.closeEngine().catch(() => undefined);
  return left;
}

/** Bytes in the data files after an opening and its housekeeping, without those that can be used again. */
async function heldAfterOpening(context: CaseContext): Promise<number> {
  const { storage, state } = await context.group();
  assert.equal(state.snapshot, undefined, 'a snapshot that nobody finished is there');
  await maintainToEnd(storage);
  const { held, garbage } = await spaceAtRest(context, storage);
  await context.closeEngine();
  return held - garbage;
}

export const leftoversAreRemoved: ConformanceCase = {
  id: 'crash/leftovers-are-removed',
  title: 'snapshots and restores that a process died in are removed at the next opening',
  level: 'crash',
  needs: ['files'],
  async run(context) {
    const { persistent } = (await context.engine()).capabilities;
    if (!persistent) context.notApplicable('the store declares that it keeps nothing beyond the process');
    const { storage } = await context.group();
    await storage.write({ entries: run(1, 5, 1), hardState: hard(1, 5) });
    await context.closeEngine();
    const holder = new Holder(context);
    const held: number[] = [];
    for (let life = 0; life < lives; life++) {
      const left = await dieInTheMiddle(context, holder);
      await holder.fill(left);
      await holder.serve();
      held.push(await heldAfterOpening(context));
    }
    const [first = 0, last = 0] = [held[0], held.at(-1)];
    assert.ok(
      last <= first + 2 * megabyte,
      `each of ${String(lives)} processes died in the middle of megabytes; after the first ${String(first)} bytes were held, after the last ${String(last)}`,
    );
  },
};
