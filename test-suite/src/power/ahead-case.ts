/** A watermark that is ahead of what it watches takes data that are whole for data that are lost. */
import assert from 'node:assert/strict';
import type { CaseContext, ConformanceCase } from '../case.ts';
import { failureText } from '../child/look.ts';
import { seededRandom, type Random } from '../child/random.ts';
import { seedOf, triesOf } from '../replay.ts';
import { treeHash } from './directory.ts';
import { Disk, lost, type Tree } from './disk.ts';
import { onlyOf, type NamedFate } from './fates.ts';
import { Looker } from './judge.ts';
import { beginUnjudged, operationText, withoutMapped, type Recorded } from './recording.ts';
import { largestLag, needLag } from './watermark-cases.ts';

/** Syncs of each file that the power is cut behind: the first, the last, and some in between. */
const syncsOfFile = 5;

/** Files whose syncs are tried; a store that makes a new file for each write has more. */
const filesTried = 12;

/** Numbers of operations, from 0. */
interface Moments {
  /** Something was synced, and all that was not is lost. */
  readonly synced: ReadonlySet<number>;
  /** Several files hold something unsynced, and that of one of them survives. */
  readonly several: ReadonlySet<number>;
}

function chooseMoments({ operations, directory, start }: Recorded, random: Random, wanted: number): Moments {
  const disk = new Disk(directory, start);
  const several: number[] = [];
  const syncs = new Map<string, number[]>();
  for (const [i, operation] of operations.entries()) {
    disk.apply(operation);
    if (operation.op !== 'mark' && disk.unsyncedByFile().length > 1) several.push(i);
    if (operation.op !== 'sync') continue;
    const before = syncs.get(operation.path);
    if (before === undefined) syncs.set(operation.path, [i]);
    else before.push(i);
  }
  return { synced: new Set(chooseSyncs(syncs, random)), several: new Set(sample(random, several, wanted)) };
}

function chooseSyncs(syncs: ReadonlyMap<string, readonly number[]>, random: Random): number[] {
  // One that is synced seldom holds the promises, and one that is synced at each write the data: both are tried alike.
  return sample(random, [...syncs.values()], filesTried).flatMap((all) => [
    ...all.slice(0, 1),
    ...sample(random, all.slice(1, -1), syncsOfFile - 2),
    ...all.slice(-1),
  ]);
}

function sample<T>(random: Random, from: readonly T[], count: number): T[] {
  const left = [...from];
  const chosen: T[] = [];
  while (chosen.length < count && left.length > 0) {
    chosen.push(...left.splice(random.int(0, left.length - 1), 1));
  }
  return chosen;
}

/** What a power cut leaves at each of the moments. */
function* after(recorded: Recorded, moments: Moments): Generator<{ what: string; tree: Tree }> {
  const { operations, directory, start } = recorded;
  const disk = new Disk(directory, start);
  for (const [i, operation] of operations.entries()) {
    disk.apply(operation);
    const fates: NamedFate[] = [];
    if (moments.synced.has(i)) fates.push({ name: 'nothing unsynced', fate: lost });
    if (moments.several.has(i)) fates.push(...disk.unsyncedByFile().map(onlyOf));
    for (const { name, fate } of fates)
      yield {
        what: `a power cut after operation ${String(i + 1)} of ${String(operations.length)} (${operationText(operation)}), ${name}`,
        tree: withoutMapped(recorded, disk.after(fate)),
      };
  }
}

async function opensAll(context: CaseContext, recorded: Recorded, moments: Moments): Promise<number> {
  const seen = new Set<string>();
  const seed = String(seedOf(context.options));
  return Looker.with({ context, plan: recorded.plan }, async (looker) => {
    for (const { what, tree } of after(recorded, moments)) {
      const hash = treeHash(tree);
      if (seen.has(hash)) continue;
      seen.add(hash);
      const look = await looker.look(tree);
      assert.ok(
        !('failed' in look),
        'failed' in look ? `${what} (seed ${seed}): ${failureText(look)}` : what,
      );
    }
    return seen.size;
  });
}

export const neverAhead: ConformanceCase = {
  id: 'power/watermark-is-never-ahead',
  title:
    'a power cut leaves a store that opens also where, of what was not synced, only that of one file survives: no watermark is ahead of what it watches',
  level: 'power',
  needs: ['files', 'child'],
  async run(context) {
    const lag = await needLag(context);
    // The rounds hold votes; behind them the lag itself makes a watermark durable, where that does not take too long.
    const plain = Math.min(lag, largestLag) + 1;
    const recorded = await beginUnjudged(context, { salt: 7, rounds: 16, plain });
    const random = seededRandom(seedOf(context.options) + 7);
    const wanted = Math.ceil(triesOf('BALSA_POWER_STATES', 100, context) / 4);
    const states = await opensAll(context, recorded, chooseMoments(recorded, random, wanted));
    assert.ok(states > 1, 'nothing was ever synced');
  },
};
