/** Faults of the disk: full, failing to write, to sync or to read, and permission lost. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { BalsaError, type Durability } from '@balsa/raft-core';
import type { CaseContext, ConformanceCase } from '../case.ts';
import { Expected } from '../child/expected.ts';
import type { FaultScenario, Job } from '../child/job.ts';
import { makePlan, type Action, type PlanOptions, type Step } from '../child/plan.ts';
import { endedWell, runChild } from '../child/process.ts';
import { seededRandom, type Random } from '../child/random.ts';
import { Holder, NotServed } from '../holder/holder.ts';
import { needShim, planOf, withScratch } from '../power/recording.ts';
import { seedOf, triesOf } from '../replay.ts';
import { ShimControl } from '../shim/control.ts';
import { runFaults } from './in-child.ts';
import { runReads } from './reads.ts';

/** Steps at which a fault is tried, per case; `BALSA_FAULTS` says another number. */
const faultsWanted = (context: CaseContext): number => triesOf('BALSA_FAULTS', 12, context);

async function needPersistence(context: CaseContext): Promise<Durability> {
  const { persistent, durability } = (await context.engine()).capabilities;
  await context.closeEngine();
  if (!persistent) context.notApplicable('the store declares that it keeps nothing beyond the process');
  await new Holder(context).fill(new Map());
  return durability;
}

type FaultJob = Extract<Job, { readonly kind: 'faults' | 'reads' }>;

/** Runs a job under the shim; gives what was tried, and rejects with the rules that were broken. */
async function tryFaults(context: CaseContext, job: FaultJob): Promise<string[]> {
  const shim = await needShim(context);
  const lines = await withScratch(async (scratch) => {
    const control = new ShimControl(join(scratch, 'control'), true);
    control.close();
    const watched = { ...job, control: control.path };
    if (context.harness.processes !== undefined) return tryServed(context, watched, shim);
    return endedWell(await runChild(watched, { shim }));
  });
  const wrong = lines
    .filter((line) => line.startsWith('wrong '))
    .map((line) => String(JSON.parse(line.slice(6))));
  assert.ok(wrong.length === 0, `seed ${String(seedOf(context.options))}:\n${wrong.slice(0, 5).join('\n')}`);
  return lines.filter((line) => line.startsWith('tried '));
}

/** The faults are the server's, so the client is this process; a server that died of one is started again. */
async function tryServed(context: CaseContext, job: FaultJob, shim: string): Promise<string[]> {
  const holder = new Holder(context);
  const lines: string[] = [];
  const plan = makePlan(job.plan);
  const common = {
    plan,
    expected: await Expected.of(plan),
    say: (line: string): void => void lines.push(line),
    empty: () => holder.fill(new Map()),
    open: async () => {
      await serveOrTell(holder, job, shim);
      return context.harness.open();
    },
  };
  try {
    if (job.kind === 'faults') await runFaults({ job, ...common });
    else await runReads({ job, ...common });
    return lines;
  } finally {
    await holder.release();
  }
}

/** A server that does not start because of a fault has told it, in its own way. */
async function serveOrTell(holder: Holder, job: FaultJob, shim: string): Promise<void> {
  await holder.release('in good order');
  try {
    await holder.serve(job, { shim });
  } catch (cause) {
    if (!(cause instanceof NotServed)) throw cause;
    throw new BalsaError('STORE_IO', cause.message, { cause });
  }
}

function jobFields(
  context: CaseContext,
  plan: PlanOptions,
): Pick<Job, 'opener' | 'directory'> & { readonly plan: PlanOptions } {
  const { opener, directory } = new Holder(context);
  return { opener, directory, plan };
}

/** Steps of every kind, each kind in turn. */
function chooseSteps(
  steps: readonly Step[],
  random: Random,
  count: number,
  fits: (action: Action) => boolean,
): Step[] {
  const kinds = new Map<string, Step[]>();
  for (const step of steps) {
    if (!fits(step.action)) continue;
    const kind = `${step.lane === 'kv' ? 'kv ' : ''}${kindOf(step.action)}`;
    kinds.set(kind, [...(kinds.get(kind) ?? []), step]);
  }
  const names = [...kinds.keys()];
  return Array.from({ length: count }, (_, i) => random.pick(kinds.get(names[i % names.length] ?? '') ?? []));
}

function kindOf(action: Action): string {
  if (action.kind !== 'write') return action.kind;
  return (
    ['install', 'restored', 'entries', 'confState', 'hardState'].find((part) => part in action) ?? 'write'
  );
}

function faultCase(fault: FaultScenario['fault'], title: string, salt: number): ConformanceCase {
  return {
    id: `faults/${fault}`,
    title,
    level: 'faults',
    needs: ['files', 'child'],
    async run(context) {
      const durability = await needPersistence(context);
      const plan = planOf(context, salt, 36);
      const random = seededRandom(seedOf(context.options) + salt);
      const steps = makePlan(plan).rounds.flat();
      const fits = (action: Action): boolean => action.kind !== 'reopen' && action.kind !== 'stamp';
      const scenarios = chooseSteps(steps, random, faultsWanted(context), fits).map(({ id }) => ({
        fault,
        step: id,
      }));
      const tried = await tryFaults(context, { kind: 'faults', scenarios, ...jobFields(context, plan) });
      if (tried.some((line) => !line.endsWith('not-reached'))) return;
      if (fault === 'sync-error' && durability !== 'strict') {
        context.notApplicable(
          `the store declares durability ${durability}, and made no sync in ${String(tried.length)} steps that could have failed`,
        );
      }
      assert.fail(`no fault came in ${String(tried.length)} steps`);
    },
  };
}

const reads: ConformanceCase = {
  id: 'faults/read-error',
  title: 'a read that fails is an error, never "there is nothing", and the next opening finds everything',
  level: 'faults',
  needs: ['files', 'child'],
  async run(context) {
    await needPersistence(context);
    const plan = planOf(context, 610, 24);
    const random = seededRandom(seedOf(context.options) + 610);
    const shares = Array.from({ length: faultsWanted(context) * 2 }, () => random.next());
    const tried = await tryFaults(context, { kind: 'reads', reads: shares, ...jobFields(context, plan) });
    assert.ok(
      tried.some((line) => line.endsWith('refused')),
      'no failed read was ever told',
    );
  },
};

const permission: ConformanceCase = {
  id: 'faults/permission-lost',
  title: 'a store without permission says so instead of beginning anew, and works when permission is back',
  level: 'faults',
  needs: ['files', 'child'],
  async run(context) {
    if (context.harness.processes !== undefined)
      context.notApplicable('a server of the target runs as the user that its harness starts it as');
    if (process.platform === 'win32') context.notApplicable('permissions of Windows are not those of POSIX');
    await needPersistence(context);
    const root = process.getuid?.() === 0;
    const nobody = 65_534;
    const job = {
      kind: 'permission',
      user: root ? nobody : undefined,
      ...jobFields(context, planOf(context, 620, 16)),
    } as const;
    const lines = endedWell(await runChild(job));
    const wrong = lines
      .filter((line) => line.startsWith('wrong '))
      .map((line) => String(JSON.parse(line.slice(6))));
    assert.ok(wrong.length === 0, wrong.join('\n'));
    assert.ok(lines.includes('tried permission refused'), 'the lack of permission was never told');
  },
};

export const faultCases: readonly ConformanceCase[] = [
  faultCase(
    'no-space',
    'on a full disk a step is refused or of unknown outcome, nothing acknowledged is lost, and work goes on when space returns',
    600,
  ),
  faultCase(
    'write-error',
    'a failed write is refused without effect, or of unknown outcome and poisons until reopened',
    601,
  ),
  faultCase('sync-error', 'a failed sync is never acknowledged, poisons, and no later success hides it', 602),
  faultCase('short-write', 'a write that was done in part is finished or told', 603),
  reads,
  permission,
];
