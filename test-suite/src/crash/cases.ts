/** The death of the process: what was acknowledged is there, and what was in flight is whole or absent. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { CaseContext, ConformanceCase } from '../case.ts';
import { Expected } from '../child/expected.ts';
import type { Job } from '../child/job.ts';
import { failureText, lookOnce, type Look } from '../child/look.ts';
import { makePlan, type PlanOptions } from '../child/plan.ts';
import { endedWell, runChild, type ChildOptions } from '../child/process.ts';
import { seededRandom } from '../child/random.ts';
import { Holder } from '../holder/holder.ts';
import { Disk, everything, type Fate } from '../power/disk.ts';
import { Judge } from '../power/judge.ts';
import { Announced, needShim, planOf, recordRun, withScratch } from '../power/recording.ts';
import { numberFrom, seedOf, triesOf } from '../replay.ts';
import { ShimControl } from '../shim/control.ts';
import { leftoversAreRemoved } from './leftovers.ts';

/** Processes to kill per case; `BALSA_KILLS` says another number. */
const kills = (): number => numberFrom('BALSA_KILLS', 6);

async function needPersistence(context: CaseContext): Promise<Holder> {
  const { persistent } = (await context.engine()).capabilities;
  await context.closeEngine();
  if (!persistent) context.notApplicable('the store declares that it keeps nothing beyond the process');
  const holder = new Holder(context);
  await holder.fill(new Map());
  return holder;
}

function jobOf(
  { opener, directory }: Holder,
  kind: 'run' | 'recover',
  plan: PlanOptions,
  control?: string,
): Job {
  return { kind, opener, directory, plan, control };
}

/** Runs a plan in a process that somebody kills, and looks at what is left. */
async function killOnce(
  holder: Holder,
  expected: Expected,
  job: Job,
  options: ChildOptions,
  what: string,
): Promise<readonly string[]> {
  const { lines, signal, stderr, code } = await holder.run(job, options);
  assert.ok(signal === 'SIGKILL' || code === 0, `${what}: the child ended by itself: ${stderr}`);
  const refused = lines.find((line) => line.startsWith('failed'));
  assert.equal(refused, undefined, `${what}: a step that a correct store never refuses`);
  judge(expected, await holder.look(expected.plan), lines, what);
  return lines;
}

function judge(expected: Expected, look: Look, lines: readonly string[], what: string): void {
  if ('failed' in look) {
    assert.fail(`${what}: ${failureText(look)}`);
  }
  const wrong = expected.wrong(look.sight, expected.progress(lines));
  assert.equal(wrong, undefined, `${what}: ${wrong ?? ''}`);
}

const byParent: ConformanceCase = {
  id: 'crash/killed-at-random-moments',
  title: 'a process killed at any moment leaves every acknowledged write, and none by half',
  level: 'crash',
  needs: ['files', 'child'],
  async run(context) {
    const holder = await needPersistence(context);
    const seed = seedOf(context.options);
    const random = seededRandom(seed);
    for (let round = 0; round < kills(); round++) {
      await holder.fill(new Map());
      const plan = planOf(context, 100 + round, 24);
      const expected = await Expected.of(makePlan(plan));
      const steps = expected.plan.rounds.flat().length * 2;
      let left = random.int(1, steps);
      await killOnce(
        holder,
        expected,
        jobOf(holder, 'run', plan),
        { killAfter: () => --left === 0 },
        `killed in round ${String(round)} (seed ${String(seed)})`,
      );
    }
  },
};

const atStep: ConformanceCase = {
  id: 'crash/killed-in-the-middle-of-a-call',
  title:
    'a process killed inside a write, a sync, a rename or an unlink leaves every acknowledged write, and none by half',
  level: 'crash',
  needs: ['files', 'child'],
  async run(context) {
    const shim = await needShim(context);
    const holder = await needPersistence(context);
    const seed = seedOf(context.options);
    const random = seededRandom(seed + 7);
    const plan = planOf(context, 200, 20);
    const expected = await Expected.of(makePlan(plan));
    await withScratch(async (scratch) => {
      const control = new ShimControl(join(scratch, 'control'), true);
      const job = jobOf(holder, 'run', plan, control.path);
      endedWell(await holder.run(job, { shim }));
      const calls = control.get('mutations');
      assert.ok(
        calls > 20,
        `the child made only ${String(calls)} changes below ${job.directory}; does its opener use the directory that the harness names?`,
      );
      for (let round = 0; round < kills(); round++) {
        await holder.fill(new Map());
        const killAt = random.int(1, calls);
        control.reset();
        control.arm({ killAt, killTorn: round % 2 });
        const what = `killed at call ${String(killAt)} of about ${String(calls)} (seed ${String(seed)})`;
        await killOnce(holder, expected, job, { shim }, what);
      }
      control.close();
    });
  },
};

/** The newest write by half, all before it whole: a process can die within a call. */
function halved(last: number): Fate {
  return {
    data: (change) =>
      change.sequence < last
        ? 'whole'
        : (sector) => sector * 512 < change.offset + (change.data?.length ?? 0) / 2,
    name: () => true,
  };
}

const everyStep: ConformanceCase = {
  id: 'crash/killed-at-every-step',
  title: 'the files as they were at each system call hold every acknowledged write, and none by half',
  level: 'crash',
  needs: ['files', 'child'],
  async run(context) {
    await needShim(context);
    await needPersistence(context);
    const seed = seedOf(context.options) + 300;
    const recording = await recordRun(context, planOf(context, 300, 24));
    const { operations, expected, directory, start } = recording;
    const share = triesOf('BALSA_POWER_STATES', 100, context) / operations.length;
    const random = seededRandom(seed);
    const mapped = new Set(operations.flatMap((one) => (one.op === 'unseen' ? [one.path] : [])));
    const states = await Judge.with({ context, ...recording, seed }, async (jury) => {
      const disk = new Disk(directory, start);
      const announced = new Announced(expected);
      for (const [i, operation] of operations.entries()) {
        disk.apply(operation);
        announced.take(operation);
        if (!random.chance(share)) continue;
        const fate = operation.op === 'write' && random.chance(0.5) ? halved(disk.sequence) : everything;
        const tree = disk.after(fate);
        for (const path of mapped) tree.delete(path.slice(directory.length + 1));
        const what = `killed at operation ${String(i + 1)} of ${String(operations.length)} (${operation.op})`;
        await jury.check({ what, tree, progress: announced.progress() });
      }
    });
    assert.ok(states > 10, `only ${String(states)} states were tried`);
  },
};

const inRecovery: ConformanceCase = {
  id: 'crash/killed-while-recovering',
  title: 'a process killed, and killed again while it recovers, leaves every acknowledged write',
  level: 'crash',
  needs: ['files', 'child'],
  async run(context) {
    const shim = await needShim(context);
    const holder = await needPersistence(context);
    const seed = seedOf(context.options);
    const random = seededRandom(seed + 11);
    const plan = planOf(context, 400, 16);
    const expected = await Expected.of(makePlan(plan));
    const steps = expected.plan.rounds.flat().length * 2;
    await withScratch(async (scratch) => {
      const control = new ShimControl(join(scratch, 'control'), true);
      const job = jobOf(holder, 'run', plan, control.path);
      const again = jobOf(holder, 'recover', plan, control.path);
      for (let round = 0; round < Math.ceil(kills() / 2); round++) {
        await holder.fill(new Map());
        control.reset();
        let left = random.int(Math.floor(steps / 4), steps);
        const { lines } = await holder.run(job, { shim, killAfter: () => --left === 0 });
        for (let n = 1; n <= 3; n++) {
          control.reset();
          control.arm({ killAt: random.int(1, 12 * n), killTorn: n % 2 });
          const what = `killed after ${String(lines.length)} announcements, then ${String(n)} times in its recovery (seed ${String(seed)})`;
          const { signal, code, stderr } = await holder.run(again, { shim });
          assert.ok(signal === 'SIGKILL' || code === 0, `${what}: it does not open: ${stderr}`);
        }
        judge(
          expected,
          await holder.look(expected.plan),
          lines,
          `round ${String(round)} (seed ${String(seed)})`,
        );
      }
      control.close();
    });
  },
};

const clientAlone: ConformanceCase = {
  id: 'crash/client-killed-while-the-server-lives',
  title:
    'a client killed at any moment leaves its successor every acknowledged write, and none by half or late',
  level: 'crash',
  needs: ['files', 'child', 'processes'],
  async run(context) {
    const holder = await needPersistence(context);
    const seed = seedOf(context.options);
    const random = seededRandom(seed + 13);
    for (let round = 0; round < kills(); round++) {
      await holder.fill(new Map());
      await holder.serve();
      const plan = planOf(context, 130 + round, 24);
      const expected = await Expected.of(makePlan(plan));
      let left = random.int(1, expected.plan.rounds.flat().length * 2);
      const { lines } = await runChild(jobOf(holder, 'run', plan), { killAfter: () => --left === 0 });
      const what = `client killed in round ${String(round)} (seed ${String(seed)})`;
      // The server runs on: what the dead client had sent may still arrive.
      const look = await lookOnce(() => context.harness.open(), expected.plan);
      judge(expected, look, lines, what);
      judge(expected, await lookOnce(() => context.harness.open(), expected.plan), lines, `${what}, again`);
    }
  },
};

export const crashCases: readonly ConformanceCase[] = [
  byParent,
  atStep,
  everyStep,
  inRecovery,
  clientAlone,
  leftoversAreRemoved,
];
