/** Damaged files: what is served is the truth or an error, and what was acknowledged is never missing unsaid. */
import assert from 'node:assert/strict';
import { open, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { CaseContext, ConformanceCase } from '../case.ts';
import { Expected } from '../child/expected.ts';
import { Actor } from '../child/perform.ts';
import { makePlan, type PlanOptions } from '../child/plan.ts';
import { seededRandom, type Random } from '../child/random.ts';
import type { Tree } from '../power/disk.ts';
import { Holder, NotServed } from '../holder/holder.ts';
import { Reopener } from '../holder/reopener.ts';
import { planOf } from '../power/recording.ts';
import { seedOf, triesOf } from '../replay.ts';
import {
  flippedBit,
  lostBlock,
  misplaced,
  truncated,
  wholeFiles,
  type Damage,
  type DamageOptions,
} from './damage.ts';
import { notServed, survey, wrongSurvey, type Survey } from './survey.ts';

/** Damages per case; `BALSA_DAMAGES` says another number. */
const damagesWanted = (context: CaseContext): number => triesOf('BALSA_DAMAGES', 60, context);

/** One store at three times: early, at its end with the process dead, and closed in good order. */
interface Specimen {
  readonly plan: PlanOptions;
  readonly expected: Expected;
  readonly older: Tree;
  readonly killed: Tree;
  readonly closed: Tree;
  readonly watermarkLag: number;
  readonly files: (tree: Tree) => string[];
}

async function makeSpecimen(context: CaseContext, salt: number): Promise<Specimen> {
  const { persistent, watermarkLag, durability } = (await context.engine()).capabilities;
  await context.closeEngine();
  if (!persistent) context.notApplicable('the store declares that it keeps nothing beyond the process');
  if (durability !== 'strict')
    context.notApplicable(`the store declares durability ${durability}: it opens although writes are lost`);
  const holder = new Holder(context);
  const { directory } = holder;
  await holder.fill(new Map());
  await holder.serve();
  const options = planOf(context, salt, 32);
  const plan = makePlan({ ...options, bigBytes: 20_000 });
  const expected = await Expected.of(plan);
  const actor = new Actor(plan, () => context.harness.open());
  await actor.open();
  let older: Tree = new Map();
  for (const round of plan.rounds) {
    if (round[0]?.action.kind === 'reopen') {
      await actor.close();
      older = await holder.read();
      await holder.serve();
      await actor.open();
      continue;
    }
    await Promise.all(round.map((step) => actor.perform(step)));
  }
  // What the store writes behind an acknowledgement goes through the thread pool, as this does.
  for (let i = 0; i < 40; i++) await stat(directory);
  const killed = await holder.read();
  const named = await namedFiles(context, directory);
  if (holder.isServed) {
    // The server is dead, and the engine has lost it; what a good end leaves is left by another life.
    await actor.close().catch(() => undefined);
    await holder.serve();
    await actor.open();
  }
  await actor.close();
  const closed = await holder.read('in good order');
  const closedNames = await namedFiles(context, directory);
  const files = (tree: Tree): string[] =>
    [...tree.keys()].filter(
      (path) =>
        tree.get(path) !== undefined && (named?.has(path) !== false || closedNames?.has(path) === true),
    );
  return { plan: { ...options, bigBytes: 20_000 }, expected, older, killed, closed, watermarkLag, files };
}

/** Locks and sockets hold nothing: only files that the harness names are damaged. */
async function namedFiles(context: CaseContext, directory: string): Promise<Set<string> | undefined> {
  const paths = await context.harness.files?.();
  return paths === undefined ? undefined : new Set(paths.map((path) => relative(directory, path)));
}

/** Opens damaged directories one after another, in a child without syncs where there can be one. */
async function judgeDamages(
  context: CaseContext,
  specimen: Specimen,
  damages: readonly Damage[],
): Promise<number> {
  const { plan, expected, watermarkLag } = specimen;
  const reopener = new Reopener<Survey>({
    context,
    kind: 'survey',
    plan,
    here: (open, done) => survey(open, done),
  });
  let refused = 0;
  try {
    for (const { what, tree, missing = false } of damages) {
      const opened = await reopener.open(tree);
      const found = opened instanceof NotServed ? notServed(opened) : opened;
      if (found.refusals.length > 0) refused++;
      const wrong = wrongSurvey(expected, found, expected.complete, {
        mayLose: watermarkLag,
        missingFile: missing,
      });
      assert.equal(wrong, undefined, `${what} (seed ${String(seedOf(context.options))}):\n${wrong ?? ''}`);
    }
    return refused;
  } finally {
    await reopener.stop();
  }
}

function bothBases(
  context: CaseContext,
  specimen: Specimen,
  random: Random,
  make: (options: DamageOptions) => Damage,
): Damage[] {
  const { older, killed, closed, files } = specimen;
  return Array.from({ length: damagesWanted(context) }, (_, i) => {
    const base = i % 2 === 0 ? killed : closed;
    const damage = make({ base, older, files: files(base), random });
    return { ...damage, what: `${damage.what}, ${i % 2 === 0 ? 'the process killed' : 'the store closed'}` };
  });
}

/** `shows` says that a store cannot help noticing one of the damages, if they are done to files that it reads. */
function damageCase(
  name: string,
  title: string,
  salt: number,
  make: (options: DamageOptions) => Damage,
  shows = true,
): ConformanceCase {
  return {
    id: `corruption/${name}`,
    title,
    level: 'corruption',
    needs: ['files'],
    async run(context) {
      const specimen = await makeSpecimen(context, salt);
      const random = seededRandom(seedOf(context.options) + salt);
      const refused = await judgeDamages(context, specimen, bothBases(context, specimen, random, make));
      assert.ok(
        !shows || refused > 0,
        'no damage was noticed at all: are these the files that the store reads?',
      );
    },
  };
}

const files: ConformanceCase = {
  id: 'corruption/missing-older-and-exchanged-files',
  title:
    'a file that is missing, that an older copy replaced, or that changed places with another is noticed or does not matter',
  level: 'corruption',
  needs: ['files'],
  async run(context) {
    const specimen = await makeSpecimen(context, 504);
    const random = seededRandom(seedOf(context.options));
    const { older, killed, closed } = specimen;
    const damages = [killed, closed].flatMap((base) =>
      wholeFiles({ base, older, files: specimen.files(base), random }),
    );
    await judgeDamages(context, specimen, damages);
  },
};

/** Flips a bit in every so many bytes of a file, in place, as it lies open. */
async function sprinkle(path: string, random: Random): Promise<void> {
  // An engine that has opened may have written a file anew by then: of the old one nothing is read.
  const handle = await open(path, 'r+').catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (handle === undefined) return;
  try {
    const { size } = await handle.stat();
    const byte = Buffer.alloc(1);
    for (let at = random.int(0, 50); at < size; at += random.int(50, 300)) {
      await handle.read(byte, 0, 1, at);
      byte[0] = (byte[0] ?? 0) ^ (1 << random.int(0, 7));
      await handle.write(byte, 0, 1, at);
    }
  } finally {
    await handle.close();
  }
}

const underOpen: ConformanceCase = {
  id: 'corruption/rot-under-an-open-store',
  title:
    'what rots while the store is open is not served either: each entry and chunk is verified as it is read',
  level: 'corruption',
  needs: ['files'],
  async run(context) {
    if (context.harness.processes !== undefined)
      context.notApplicable('a server of the target holds what it serves in its memory, or ends');
    const { plan: options, expected, closed, files } = await makeSpecimen(context, 505);
    const holder = new Holder(context);
    const random = seededRandom(seedOf(context.options) + 505);
    // The ordered store is read in the other cases: it is opened when its files are damaged already.
    const plan = makePlan({ ...options, orderedStore: false });
    for (const path of files(closed)) {
      await holder.fill(closed);
      const found = await survey(
        () => context.harness.open(),
        plan,
        () => sprinkle(join(holder.directory, path), random),
      );
      // What opened has said already what there is.
      const wrong = wrongSurvey(expected, found, expected.complete, { mayLose: 0, missingFile: false });
      assert.equal(
        wrong,
        undefined,
        `${path} rotted (seed ${String(seedOf(context.options))}):\n${wrong ?? ''}`,
      );
    }
    await holder.fill(new Map());
  },
};

export const corruptionCases: readonly ConformanceCase[] = [
  damageCase(
    'a-flipped-bit',
    'after a flipped bit, what is served is the truth or an error that names damage',
    500,
    flippedBit,
  ),
  damageCase(
    'a-truncated-file',
    'after a file was cut short, nothing acknowledged is missing unsaid',
    501,
    truncated,
  ),
  damageCase(
    'misplaced-blocks',
    'blocks that changed places, landed elsewhere or are zeros are never served as truth',
    502,
    misplaced,
  ),
  damageCase(
    'a-lost-block',
    'a block that the device never wrote does not bring back what was overwritten',
    503,
    lostBlock,
    // A store that overwrites nothing but a record kept twice, as RocksDB's does, can do without any such block.
    false,
  ),
  files,
  underOpen,
];
