/**
 * Power cuts at every operation of a small life, by an injected file system: what was acknowledged is
 * there afterwards, what was not is there whole or not at all, and the store goes on.
 */
import { isBalsaError, type Engine, type Env } from '@balsa/raft-core';
import { openFileEngine } from '@balsa/storage-file';
import { beforeAll, describe, expect, test } from 'vitest';
import { FaultyFileSystem, type Survival } from './support/faulty-file-system.ts';
import { entry, env as realEnv } from './support/index.ts';
import { seededRandom } from './support/random.ts';
import {
  expectations,
  fingerprint,
  openAll,
  orderedFingerprint,
  steps,
  type Expected,
} from './support/workload.ts';

const seed = Number(process.env['BALSA_SEED'] ?? 1);
const directory = '/data/store';

interface World {
  readonly fs: FaultyFileSystem;
  readonly env: Env;
  readonly random: () => number;
  readonly open: () => Promise<Engine>;
}

function world(salt: number): World {
  const random = seededRandom(seed * 7919 + salt);
  const fs = new FaultyFileSystem();
  const env: Env = { ...realEnv, random };
  const open = (): Promise<Engine> =>
    openFileEngine({ directory, env, fs, segmentBytes: 4096, maxEntryBytes: 1024 });
  return { fs, env, random, open };
}

interface Progress {
  /** Steps that resolved. */
  done: number;
  error: unknown;
  engine: Engine | undefined;
}

async function live({ open }: World): Promise<Progress> {
  const progress: Progress = { done: 0, error: undefined, engine: undefined };
  try {
    progress.engine = await open();
    await openAll(progress.engine);
    for (const step of steps) {
      await step.run(progress.engine);
      progress.done++;
    }
    await progress.engine.close();
  } catch (error) {
    progress.error = error;
  }
  return progress;
}

/** The oldest number of steps of which the ordered store may show the state: those up to its last sync. */
function syncedSteps(done: number): number {
  const names = steps.slice(0, done).map((step) => step.name);
  return Math.max(0, names.lastIndexOf('sync') + 1, names.lastIndexOf('restore') + 1);
}

/** Opens, compares with what may be there, and sees that the store goes on over another restart. */
async function check(found: World, expected: Expected, { done }: Progress, label: string): Promise<void> {
  const engine = await found.open();
  const log = await fingerprint(engine);
  const ordered = await orderedFingerprint(engine);
  expect(expected.log.slice(done, done + 2), label).toContain(log);
  expect(expected.ordered.slice(syncedSteps(done), done + 2), label).toContain(ordered);
  const group = engine.group('a');
  const parts = JSON.parse(log) as ({ lastIndex?: number } | null)[];
  const next = (parts.find((part) => part?.lastIndex !== undefined)?.lastIndex ?? 0) + 1;
  await group.write({ entries: [entry(next, 9)] });
  await engine.close();
  const again = await found.open();
  expect((await again.group('a').open()).lastIndex, label).toBe(next);
  expect(await orderedFingerprint(again), label).toBe(ordered);
  await again.close();
}

describe(`a store whose power is cut (seed ${String(seed)})`, () => {
  let expected: Expected;
  let operations: number;

  beforeAll(async () => {
    expected = await expectations();
    const whole = world(0);
    const progress = await live(whole);
    expect(progress.error).toBeUndefined();
    ({ operations } = whole.fs);
  });

  test.each<Survival>(['nothing', 'everything', 'some'])(
    'at every operation, keeps what it acknowledged; %s of what was not synced survives',
    async (survival) => {
      expect(operations).toBeGreaterThan(150);
      for (let k = 1; k <= operations + 1; k++) {
        const here = world(k);
        here.fs.crashAt = k;
        const progress = await live(here);
        here.fs.reboot(survival, here.random);
        await check(here, expected, progress, `operation ${String(k)}, step ${String(progress.done)}`);
      }
    },
  );

  test('at every operation of the opening after a power cut, keeps what it acknowledged', async () => {
    for (let k = 40; k <= operations; k += 23) {
      for (let j = 1; ; j++) {
        const here = world(k * 1000 + j);
        here.fs.crashAt = k;
        const progress = await live(here);
        here.fs.reboot('some', here.random);
        here.fs.crashAt = j;
        const opened = await here
          .open()
          .then(openAll)
          .then(
            () => true,
            () => false,
          );
        here.fs.reboot('some', here.random);
        await check(here, expected, progress, `operation ${String(k)}, then ${String(j)} of the opening`);
        if (opened) break;
      }
    }
  });

  test('at every operation, a fault is refused without a trace or poisons, and nothing acknowledged is lost', async () => {
    let refusals = 0;
    for (let k = 1; k <= operations; k++) {
      for (const survival of ['nothing', 'everything'] as const) {
        const here = world(k);
        here.fs.failAt = k;
        const progress = await live(here);
        const label = `operation ${String(k)} (${String(here.fs.failed)}), step ${String(progress.done)}`;
        const refused = isBalsaError(progress.error) && progress.error.outcome === 'refused';
        const step = steps[progress.done];
        const isPoisoned = await progress.engine?.identity().then(
          () => false,
          () => true,
        );
        here.fs.reboot(survival, here.random);
        if (refused && step?.single === true && isPoisoned === false) {
          refusals++;
          const engine = await here.open();
          expect(await fingerprint(engine), label).toBe(expected.log[progress.done]);
          await engine.close();
        }
        await check(here, expected, progress, label);
      }
    }
    expect(refusals).toBeGreaterThan(20);
  });
});
