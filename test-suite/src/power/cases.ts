/** A power cut: of what was not synced, anything may be lost, torn or reordered; what was acknowledged may not. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { CaseContext, ConformanceCase } from '../case.ts';
import type { Sight } from '../child/observe.ts';
import { endedWell } from '../child/process.ts';
import { seededRandom, type Random } from '../child/random.ts';
import { Holder } from '../holder/holder.ts';
import { seedOf, triesOf } from '../replay.ts';
import { readTrace, type TraceOperation } from '../shim/trace.ts';
import { neverAhead } from './ahead-case.ts';
import { Disk, everything, lost } from './disk.ts';
import { fatesOf, type NamedFate } from './fates.ts';
import { Judge } from './judge.ts';
import {
  Announced,
  begin,
  needShim,
  operationText,
  withScratch,
  withoutMapped,
  type Recording,
} from './recording.ts';
import { watermarkCases } from './watermark-cases.ts';

/** Directories to open per case; `BALSA_POWER_STATES` says another number. */
const defaultStates = 100;

const statesWanted = (context: CaseContext): number => triesOf('BALSA_POWER_STATES', defaultStates, context);

interface Cut {
  readonly at: number;
  readonly fates: (random: Random, last: number) => NamedFate[];
}

async function judgeCuts(
  context: CaseContext,
  recording: Recording,
  cuts: readonly Cut[],
  seed: number,
): Promise<number> {
  return Judge.with({ context, ...recording, seed }, (judge) => judgeEach(judge, recording, cuts, seed));
}

async function judgeEach(
  judge: Judge,
  recording: Recording,
  cuts: readonly Cut[],
  seed: number,
): Promise<void> {
  const { expected, operations, directory, start } = recording;
  const disk = new Disk(directory, start);
  const announced = new Announced(expected);
  const random = seededRandom(seed);
  const ordered = [...cuts].sort((a, b) => a.at - b.at);
  let at = 0;
  for (const cut of ordered) {
    for (; at < cut.at; at++) {
      const operation = operations[at];
      if (operation === undefined) break;
      disk.apply(operation);
      announced.take(operation);
    }
    for (const { name, fate } of cut.fates(random, disk.sequence)) {
      const what = `a power cut after operation ${String(at)} of ${String(operations.length)} (${operationText(operations[at - 1])}), ${name}`;
      await judge.check({
        what,
        tree: withoutMapped(recording, disk.after(fate)),
        progress: announced.progress(),
      });
    }
  }
}

function pickFates(random: Random, last: number, count: number): NamedFate[] {
  const all = fatesOf(random, last);
  return Array.from({ length: count }, () => random.pick(all));
}

const recordExplains: ConformanceCase = {
  id: 'power/the-record-explains-the-directory',
  title:
    'what the shim saw, done again, gives the files that the process left, so that nothing is written behind its back',
  level: 'power',
  needs: ['files', 'child'],
  async run(context) {
    const recording = await begin(context, 0, 12);
    const { operations, expected, directory, start } = recording;
    assert.ok(
      operations.some((one) => one.op === 'write'),
      `the child wrote nothing below ${directory}; does the child opener use the directory that the harness names?`,
    );
    const disk = new Disk(directory, start);
    for (const operation of operations) disk.apply(operation);
    const tree = withoutMapped(recording, disk.after(everything));
    const seed = seedOf(context.options);
    await Judge.with({ context, ...recording, seed }, (judge) =>
      judge.check({ what: 'after a whole run', tree, progress: expected.complete }),
    );
  },
};

const acknowledged: ConformanceCase = {
  id: 'power/what-was-acknowledged-survives',
  title:
    'a power cut right after an acknowledgement loses nothing that was acknowledged, whatever becomes of what was not synced',
  level: 'power',
  needs: ['files', 'child'],
  async run(context) {
    const recording = await begin(context, 1);
    const seed = seedOf(context.options);
    const random = seededRandom(seed);
    const marks = recording.operations.flatMap((one, i) =>
      one.op === 'mark' && one.text.startsWith('did') ? [i + 1] : [],
    );
    const wanted = statesWanted(context);
    const chosen = marks.filter(() => random.chance(wanted / marks.length));
    const bare = (): NamedFate[] => [{ name: 'nothing unsynced', fate: lost }];
    // Each acknowledgement with nothing but the synced, which is what an early one fails at; then with more.
    const cuts: Cut[] = [
      ...chosen.map((at): Cut => ({ at, fates: bare })),
      ...chosen
        .filter(() => random.chance(0.4))
        .map((at): Cut => ({ at, fates: (draw, last) => pickFates(draw, last, 1) })),
    ];
    const states = await judgeCuts(context, recording, cuts, seed);
    assert.ok(states > 10, `only ${String(states)} states were tried`);
  },
};

const anyMoment: ConformanceCase = {
  id: 'power/a-cut-at-any-moment-halves-nothing',
  title: 'a power cut at any operation leaves each write whole or absent, and the store opens',
  level: 'power',
  needs: ['files', 'child'],
  async run(context) {
    const recording = await begin(context, 2);
    const seed = seedOf(context.options) + 2;
    const random = seededRandom(seed);
    const { operations } = recording;
    const cuts = Array.from({ length: Math.ceil(statesWanted(context) / 2) }, (): Cut => {
      return { at: random.int(1, operations.length), fates: (draw, last) => pickFates(draw, last, 3) };
    });
    const states = await judgeCuts(context, recording, cuts, seed);
    assert.ok(states > 10, `only ${String(states)} states were tried`);
  },
};

const creation: ConformanceCase = {
  id: 'power/a-cut-while-the-store-is-created',
  title: 'a power cut at any step of the first opening leaves a place where a store opens, empty or stamped',
  level: 'power',
  needs: ['files', 'child'],
  async run(context) {
    const recording = await begin(context, 3, 2);
    const seed = seedOf(context.options) + 3;
    const { operations } = recording;
    const first = operations.findIndex((one) => one.op === 'mark' && one.text.startsWith('did'));
    const cuts = Array.from({ length: first + 1 }, (_, i): Cut => ({ at: i + 1, fates: fatesOf }));
    // Every operation has its turn, but not with every fate.
    const random = seededRandom(seed);
    const share = Math.min(1, statesWanted(context) / (cuts.length * 3));
    const thinned = cuts.map(({ at }): Cut => ({
      at,
      fates: (draw, last) => fatesOf(draw, last).filter(() => random.chance(share)),
    }));
    await judgeCuts(context, recording, thinned, seed);
  },
};

interface Death {
  readonly disk: Disk;
  readonly announced: Announced;
  readonly at: number;
}

/** The disk and the page cache at the moment when the process died; the power stays on. */
function dieAt({ directory, start, operations, expected }: Recording, at: number): Death {
  const disk = new Disk(directory, start);
  const announced = new Announced(expected);
  for (const operation of operations.slice(0, at)) {
    disk.apply(operation);
    announced.take(operation);
  }
  disk.endProcess();
  return { disk, announced, at };
}

/** Opens what a dead process left, under the shim; gives what happened to the disk then. */
async function recordRecovery(
  context: CaseContext,
  recording: Recording,
  death: Death,
): Promise<TraceOperation[]> {
  const shim = await needShim(context);
  const holder = new Holder(context);
  await holder.fill(withoutMapped(recording, death.disk.after(everything)));
  return withScratch(async (scratch) => {
    const trace = join(scratch, 'trace');
    const { directory, opener } = holder;
    const { plan } = recording;
    endedWell(await holder.run({ kind: 'recover', opener, directory, plan }, { shim, trace }));
    return readTrace(trace);
  });
}

const recoveredTail: ConformanceCase = {
  id: 'power/open-makes-durable-what-it-reports',
  title:
    'what open reported after the death of a process survives a power cut that follows, though nobody synced it before',
  level: 'power',
  needs: ['files', 'child'],
  async run(context) {
    const recording = await begin(context, 4);
    const { operations } = recording;
    const seed = seedOf(context.options) + 4;
    const random = seededRandom(seed);
    // A write has left, its sync has not come: what the next process finds is in the page cache only.
    const unsynced = operations.flatMap((one, i) =>
      one.op === 'sync' && operations[i - 1]?.op === 'write' ? [i] : [],
    );
    // A store whose writes are durable when they return, or that never syncs, dies at any of them.
    const moments =
      unsynced.length > 0 ? unsynced : operations.flatMap((one, i) => (one.op === 'write' ? [i + 1] : []));
    const deaths = Math.max(3, Math.ceil(statesWanted(context) / 30));
    const states = await Judge.with({ context, ...recording, seed }, async (judge) => {
      for (let i = 0; i < deaths && moments.length > 0; i++) {
        const death = dieAt(recording, random.pick(moments));
        const after = await recordRecovery(context, recording, death);
        await judgeRecovery(judge, recording, death, after, random);
      }
    });
    assert.ok(states > 0, 'nothing was ever written');
  },
};

/** Cuts the power during the recovery, and after it has reported. */
async function judgeRecovery(
  judge: Judge,
  recording: Recording,
  death: Death,
  after: readonly TraceOperation[],
  random: Random,
): Promise<void> {
  const progress = death.announced.progress();
  const cuts = new Set([random.int(1, after.length), random.int(1, after.length), after.length]);
  let reported: string | undefined;
  for (const [i, operation] of after.entries()) {
    death.disk.apply(operation);
    if (operation.op === 'mark') reported = (reported ?? '') + operation.text;
    if (!cuts.has(i + 1)) continue;
    const complete = reported?.endsWith('\n') === true;
    const seen = complete ? parseSeen(reported ?? '') : undefined;
    const what = `the process died at operation ${String(death.at)}; a power cut after operation ${String(i + 1)} of ${String(after.length)} of the recovery`;
    for (const { name, fate } of [
      { name: 'nothing unsynced', fate: lost },
      ...pickFates(random, death.disk.sequence, 1),
    ]) {
      const tree = withoutMapped(recording, death.disk.after(fate));
      const judgedBy = seen === undefined ? {} : { reported: seen };
      await judge.check({ what: `${what}, ${name}`, tree, progress }, judgedBy);
    }
  }
}

function parseSeen(line: string): Sight {
  return JSON.parse(line.trim().replace(/^seen /, '')) as Sight;
}

export const powerCases: readonly ConformanceCase[] = [
  recordExplains,
  acknowledged,
  anyMoment,
  creation,
  recoveredTail,
  ...watermarkCases,
  neverAhead,
];
