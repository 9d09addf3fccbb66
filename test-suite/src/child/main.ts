/** The program of a child process: opens a store as it is told, works on it, and announces what it did. */
import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Engine } from '@balsa/raft-core';
import { survey } from '../corruption/survey.ts';
import { emptyDirectory } from '../faults/context.ts';
import { runFaults } from '../faults/in-child.ts';
import { runPermission } from '../faults/permission.ts';
import { runReads } from '../faults/reads.ts';
import { Expected } from './expected.ts';
import { goOnRequest, jobVariable, type Job } from './job.ts';
import { lookAndGoOn, lookOnce } from './look.ts';
import { codeOf, observe } from './observe.ts';
import { Actor } from './perform.ts';
import { makePlan, type Plan, type Step } from './plan.ts';

/** A synchronous write: what is announced is announced before anything else happens. */
function say(line: string): void {
  const text = Buffer.from(`${line}\n`);
  for (let at = 0; at < text.length;) at += writeSome(text.subarray(at));
}

/** Waits for a reader that has not kept up: one that is slow must not fail the store. */
function writeSome(text: Uint8Array): number {
  for (;;) {
    try {
      return writeSync(1, text);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}

async function attempt(actor: Actor, step: Step): Promise<boolean> {
  say(`will ${String(step.id)}`);
  try {
    await actor.perform(step);
    say(`did ${String(step.id)}`);
    return true;
  } catch (error) {
    say(`failed ${String(step.id)} ${codeOf(error)}`);
    return false;
  }
}

async function run(
  plan: Plan,
  open: () => Promise<Engine>,
  { from, diesBefore }: Pick<Job & { kind: 'run' }, 'from' | 'diesBefore'>,
): Promise<void> {
  const actor = new Actor(plan, open);
  await actor.open();
  say('open');
  for (const round of plan.rounds.slice(from, diesBefore)) {
    const outcomes = await Promise.all(round.map((step) => attempt(actor, step)));
    if (outcomes.includes(false)) throw new Error('a step that a correct store never refuses was refused');
  }
  if (diesBefore !== undefined) process.exit(0);
  say('end');
  await actor.close();
  say('closed');
}

async function recover(plan: Plan, open: () => Promise<Engine>): Promise<void> {
  const engine = await open();
  say(`seen ${JSON.stringify(await observe(engine, plan))}`);
  // The watcher cuts the power here; what comes after is of no interest.
  process.exit(0);
}

async function answer(look: (request: string) => Promise<unknown>): Promise<void> {
  for await (const request of createInterface({ input: process.stdin }))
    say(JSON.stringify(await look(request)));
}

async function main(): Promise<void> {
  const job = JSON.parse(process.env[jobVariable] ?? '{}') as Job;
  // Nobody is there any more who would kill this process when the store hangs.
  process.stdin.once('end', () => process.exit(1));
  // Requests are read by whoever answers them, from the first on.
  if (job.kind !== 'look' && job.kind !== 'survey') process.stdin.resume();
  const { module, export: name, argument } = job.opener;
  const loaded = (await import(module)) as Record<string, unknown>;
  // What a CommonJS module exports is its default, whether or not its names were found.
  const { default: whole } = loaded as { readonly default?: Record<string, unknown> };
  const opener = loaded[name] ?? whole?.[name];
  if (typeof opener !== 'function') throw new Error(`${module} does not export a function ${name}`);
  const open = async (): Promise<Engine> => (opener as (argument: unknown) => Promise<Engine>)(argument);
  const plan = makePlan(job.plan);
  if (job.kind === 'run') return run(plan, open, job);
  if (job.kind === 'look')
    return answer((request) => (request === goOnRequest ? lookAndGoOn : lookOnce)(open, plan));
  if (job.kind === 'survey') return answer(() => survey(open, plan));
  if (job.kind === 'recover') return recover(plan, open);
  const empty = async (): Promise<void> => emptyDirectory(job.directory);
  const common = { plan, open, say, empty, expected: await Expected.of(plan) };
  if (job.kind === 'faults') return runFaults({ job, ...common });
  if (job.kind === 'reads') return runReads({ job, ...common });
  return runPermission({ job, ...common });
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exit(1);
  },
);
