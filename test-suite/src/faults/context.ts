/** What the jobs about faults are given in the child. */
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Engine } from '@balsa/raft-core';
import type { Expected } from '../child/expected.ts';
import type { Job } from '../child/job.ts';
import { failureText, lookOnce } from '../child/look.ts';
import type { Plan, Step } from '../child/plan.ts';
import type { Actor } from '../child/perform.ts';
import type { LaneProgress, Progress } from '../child/expected.ts';

export interface FaultContext<J extends Job = Job> {
  readonly job: J;
  readonly plan: Plan;
  readonly expected: Expected;
  open(): Promise<Engine>;
  /** Nothing lies in the directory afterwards, and whatever serves it runs. */
  empty(): Promise<void>;
  say(line: string): void;
}

/** A rule that was broken, told to the parent. */
export function blame(context: FaultContext, what: string): void {
  context.say(`wrong ${JSON.stringify(what)}`);
}

export function emptyDirectory(path: string): void {
  for (const name of readdirSync(path)) rmSync(join(path, name), { recursive: true, force: true });
}

/** Progress of all lanes when the steps before `count` are done and so many more have begun. */
export function progressAt(plan: Plan, count: number, inFlight = 0): Progress {
  const steps = plan.rounds.flat();
  const of = (lane: Step['lane']): LaneProgress => {
    const counted = (to: number): number =>
      steps.slice(0, to).filter((step) => step.lane === lane && step.action.kind !== 'reopen').length;
    return { began: counted(count + inFlight), done: counted(count) };
  };
  return { engine: of('engine'), a: of('a'), b: of('b'), kv: of('kv') };
}

/** Performs steps one by one. */
export async function performAll(actor: Actor, steps: readonly Step[]): Promise<void> {
  for (const step of steps) await actor.perform(step);
}

/** Opens, looks and compares; what is wrong, in words. */
export async function wrongNow(context: FaultContext, progress: Progress): Promise<string | undefined> {
  const look = await lookOnce(() => context.open(), context.plan);
  if ('sight' in look) return context.expected.wrong(look.sight, progress);
  return failureText(look);
}
