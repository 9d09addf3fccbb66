/** Both sides of what a store and its target say of themselves: what is said holds, what is not said fails as documented. */
import assert from 'node:assert/strict';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { isBalsaError } from '@balsa/raft-core';
import { CaseContext, type ConformanceCase } from '../case.ts';
import { refuses } from '../check.ts';
import { conf, hard, run } from '../make.ts';
import type { Ability, Harness } from '../target.ts';

const members: Readonly<Record<Ability, (harness: Harness) => boolean>> = {
  files: (harness) => harness.files !== undefined && harness.directory !== undefined,
  child: (harness) => harness.child !== undefined,
  processes: (harness) => harness.processes !== undefined,
  connection: (harness) => harness.connection !== undefined,
  crash: (harness) => harness.crash !== undefined,
};

/** What the data files held at one moment, by path within the directory. */
type Backup = ReadonlyMap<string, Uint8Array>;

async function dataFiles({ harness }: CaseContext): Promise<{ directory: string; files: string[] }> {
  const { directory } = harness;
  assert.ok(
    directory !== undefined && harness.files !== undefined,
    'the ability files gives directory and files',
  );
  return { directory, files: await harness.files() };
}

async function backUp(context: CaseContext): Promise<Backup> {
  // A server has its files to itself while it runs.
  await context.harness.processes?.stop();
  const { directory, files } = await dataFiles(context);
  const held = new Map<string, Uint8Array>();
  for (const file of files) held.set(relative(directory, file), await readFile(file));
  await context.harness.processes?.start();
  return held;
}

/** False when a server does not start on it. */
async function putBack(context: CaseContext, backup: Backup): Promise<boolean> {
  await context.harness.processes?.stop();
  const { directory, files } = await dataFiles(context);
  for (const file of files) await rm(file, { force: true });
  for (const [name, content] of backup) {
    const file = join(directory, name);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, content);
  }
  try {
    await context.harness.processes?.start();
    return true;
  } catch {
    return false;
  }
}

/** The error with which the group refuses to open; undefined when it opens as if nothing were missing. */
async function refusalAtOpen(context: CaseContext): Promise<unknown> {
  try {
    await context.group();
    return undefined;
  } catch (error) {
    return error;
  } finally {
    await context.closeEngine().catch(() => undefined);
  }
}

const saysLost = (error: unknown): boolean => isBalsaError(error, 'STORE_ACKNOWLEDGED_WRITE_LOST');

/**
 * Loses what `lose` writes, in each way in which one data file alone remembers it: a store with a watermark has at
 * least one file that gives the loss away. Files of different times that do not fit together are damage, which an
 * engine may see without any watermark: that alone says nothing of one.
 */
async function noticesLossOf(
  context: CaseContext,
  lose: (context: CaseContext, last: number) => Promise<void>,
): Promise<boolean> {
  const { storage } = await context.group();
  await storage.write({ entries: run(1, 5, 1), hardState: hard(1, 5) });
  await context.closeEngine();
  const before = await backUp(context);
  await lose(context, 5);
  // As if the process had died here: what is only written at a good end watches over nothing.
  const after = await backUp(context);
  await context.closeEngine().catch(() => undefined);
  for (const [name, content] of after) {
    if (!(await putBack(context, new Map([...before, [name, content]])))) continue;
    if (saysLost(await refusalAtOpen(context))) return true;
  }
  return false;
}

export const capabilityCases: readonly ConformanceCase[] = [
  {
    id: 'capabilities/abilities-are-given',
    title: 'the harness gives what the target says, and nothing that it does not say',
    level: 'core',
    run: async ({ harness, target }) => {
      const stray = target.abilities?.find((one) => !Object.hasOwn(members, one));
      const known = Object.keys(members).join(', ');
      assert.equal(stray, undefined, `there is no ability ${String(stray)}; there are ${known}`);
      for (const [ability, given] of Object.entries(members)) {
        const said = target.abilities?.some((one) => one === ability) === true;
        assert.equal(given(harness), said, `ability ${ability}: said ${String(said)}, but given otherwise`);
      }
    },
  },
  {
    id: 'capabilities/no-ordered-store',
    title: 'an engine whose target says that it ships no ordered store refuses to open one',
    level: 'core',
    run: async (context) => {
      if (context.hasOrderedStore)
        context.notApplicable(
          'the engine ships an ordered store, which the cases ordered/* hold to its rules',
        );
      const engine = await context.engine();
      await refuses(() => engine.orderedStore('kv'), 'INVALID_ARGUMENT');
    },
  },
  {
    id: 'capabilities/persistent-means-files',
    title: 'a persistent store with files has its data in them; one that is not persistent names none',
    level: 'durable',
    needs: ['files'],
    run: async (context) => {
      const { persistent } = (await context.engine()).capabilities;
      const { storage } = await context.group();
      await storage.write({ entries: run(1, 20, 1), hardState: hard(1, 20) });
      await context.closeEngine();
      const held = [...(await backUp(context)).values()].reduce((sum, { length }) => sum + length, 0);
      assert.equal(
        held > 0,
        persistent,
        `persistent: ${String(persistent)}, but ${String(held)} bytes in files`,
      );
    },
  },
  {
    id: 'capabilities/watermark-bounds-the-loss',
    title: 'the loss of more acknowledged writes than watermarkLag is noticed at open',
    level: 'corruption',
    needs: ['files'],
    run: async (context) => {
      const { watermarkLag: lag } = (await context.engine()).capabilities;
      const more = Math.min(lag, 20_000) + 1;
      if (lag > 20_000 && lag !== Infinity)
        context.notApplicable(`the stated lag of ${String(lag)} writes takes too many writes to try`);
      const lose = async (losing: CaseContext, last: number): Promise<void> => {
        const { storage } = await losing.group();
        const writes = lag === Infinity ? 50 : more;
        for (let i = last + 1; i <= last + writes; i++) await storage.write({ entries: run(i, i, 1) });
      };
      // The other side: who says that no loss is noticed is believed only if none is called by its name.
      const noticed = await noticesLossOf(context, lose);
      assert.equal(
        noticed,
        lag !== Infinity,
        `watermarkLag is ${String(lag)}, but opened on old data beside any one newer file it said STORE_ACKNOWLEDGED_WRITE_LOST: ${String(noticed)}`,
      );
    },
  },
  {
    id: 'capabilities/watermark-counts-every-write',
    title:
      'writes without entries count, too: the loss of more commits and conf states than watermarkLag is noticed at open',
    level: 'corruption',
    needs: ['files'],
    run: async (context) => {
      const { watermarkLag: lag } = (await context.engine()).capabilities;
      if (lag === Infinity)
        context.notApplicable('the store says that it never notices a loss (watermarkLag: Infinity)');
      if (lag > 20_000)
        context.notApplicable(`the stated lag of ${String(lag)} writes takes too many writes to try`);
      const noticed = await noticesLossOf(context, async (losing) => {
        const { storage } = await losing.group();
        for (let i = 0; i <= lag; i++)
          await storage.write({ confState: { index: 1 + (i % 5), state: conf(1, 2, 4 + (i % 7)) } });
      });
      assert.ok(
        noticed,
        `${String(lag + 1)} conf states were lost, and the store opened as if nothing had happened`,
      );
    },
  },
  {
    id: 'capabilities/watermark-covers-votes',
    title: 'the loss of a single write that changed term or vote is noticed at open',
    level: 'corruption',
    needs: ['files'],
    run: async (context) => {
      const { watermarkLag } = (await context.engine()).capabilities;
      await context.closeEngine();
      if (watermarkLag === Infinity)
        context.notApplicable('the store says that it never notices a loss (watermarkLag: Infinity)');
      for (const [what, next] of [
        ['a vote in the present term', hard(1, 5, 3)],
        ['a term and a vote', hard(2, 5, 3)],
        ['a term without a vote', hard(3, 5)],
      ] as const) {
        const other = new CaseContext(await context.target.create(), context.target, context.options);
        try {
          const noticed = await noticesLossOf(other, async (losing) => {
            const { storage } = await losing.group();
            await storage.write({ hardState: next });
          });
          assert.ok(noticed, `${what}: lost, and the store opened as if nothing had happened`);
        } finally {
          await other.closeEngine().catch(() => undefined);
          await other.harness.destroy();
        }
      }
    },
  },
];
