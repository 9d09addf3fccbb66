/** How much room a store takes on its disk, and how much of it the store says can be used again. */
import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import type { Storage } from '@balsa/raft-core';
import type { CaseContext } from './case.ts';

export const milliseconds = (): number => Number(process.hrtime.bigint() / 1000n) / 1000;

/** Bytes in the data files now, where there are files; else what the store counts. */
export async function bytesHeld({ harness }: CaseContext, storage: Storage): Promise<number> {
  if (harness.files === undefined) {
    const { logBytes, garbageBytes } = await storage.stats();
    return logBytes + garbageBytes;
  }
  let sum = 0;
  // Some engines remove files in the background: one that is gone by now holds nothing.
  for (const file of await harness.files()) sum += (await stat(file).catch(() => undefined))?.size ?? 0;
  return sum;
}

/** How long an engine may go on in the background, where nobody asks it for anything, in milliseconds. */
const settleMs = 30_000;

/**
 * Bytes in the data files, and those of them that the store counts as garbage, of one moment: an engine that
 * compacts in the background writes files anew between two looks, so it looks until they stay as they are.
 */
export async function spaceAtRest(
  context: CaseContext,
  storage: Storage,
): Promise<{ readonly held: number; readonly garbage: number }> {
  const until = milliseconds() + settleMs;
  for (;;) {
    const before = await bytesHeld(context, storage);
    const { garbageBytes } = await storage.stats();
    const held = await bytesHeld(context, storage);
    if (held === before) return { held, garbage: garbageBytes };
    assert.ok(milliseconds() < until, `the files still change after ${String(settleMs / 1000)} s of rest`);
  }
}

export async function maintainToEnd(storage: Storage): Promise<void> {
  let slices = 0;
  while (await storage.maintain()) assert.ok(++slices < 100_000, 'maintain never says that it is done');
}
