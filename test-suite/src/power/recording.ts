/** Runs a child under the shim and keeps what it did to the disk, operation by operation. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CaseContext } from '../case.ts';
import { Expected, type Progress } from '../child/expected.ts';
import { endedWell } from '../child/process.ts';
import { Holder } from '../holder/holder.ts';
import { makePlan, type PlanOptions } from '../child/plan.ts';
import { seedOf } from '../replay.ts';
import type { Job } from '../child/job.ts';
import { findShim } from '../shim/compile.ts';
import { readTrace, type TraceOperation } from '../shim/trace.ts';
import { Disk, everything, type Tree } from './disk.ts';
import { readTree } from './directory.ts';

/** A directory of the suite's own, outside of the store's, removed at the end. */
export async function withScratch<T>(run: (path: string) => Promise<T>): Promise<T> {
  const path = mkdtempSync(join(tmpdir(), 'balsa-watch-'));
  try {
    return await run(path);
  } finally {
    rmSync(path, { recursive: true, force: true });
  }
}

/** The compiled shim, or the end of the case with the reason. */
export async function needShim(context: CaseContext): Promise<string> {
  const shim = await findShim();
  return 'path' in shim ? shim.path : context.notApplicable(shim.missing);
}

/** What a run did. */
export interface Recorded {
  readonly plan: PlanOptions;
  readonly operations: readonly TraceOperation[];
  readonly directory: string;
  /** What lay in the directory before. */
  readonly start: Tree;
}

/** The same, and what it should have left. */
export interface Recording extends Recorded {
  readonly expected: Expected;
}

/** One whole run of a plan in a fresh directory. */
export async function recordRun(context: CaseContext, options: PlanOptions): Promise<Recording> {
  return expecting(await record(context, options, [{}]));
}

async function expecting(recorded: Recorded): Promise<Recording> {
  return { ...recorded, expected: await Expected.of(makePlan(recorded.plan)) };
}

/** Rounds that one process does, as a job says them. */
type Life = Pick<Job & { kind: 'run' }, 'from' | 'diesBefore'>;

async function record(context: CaseContext, options: PlanOptions, lives: readonly Life[]): Promise<Recorded> {
  const shim = await needShim(context);
  const holder = new Holder(context);
  const { directory, opener } = holder;
  const start = await holder.read();
  const operations = await withScratch(async (scratch) => {
    const trace = join(scratch, 'trace');
    for (const life of lives)
      endedWell(
        await holder.run({ kind: 'run', opener, directory, plan: options, ...life }, { shim, trace }),
      );
    return readTrace(trace);
  });
  return { plan: options, operations, directory, start };
}

/** Paths of data that the shim did not see change; empty when the record explains all that lies there. */
export function unexplained(recording: Recorded): string[] {
  const disk = new Disk(recording.directory, recording.start);
  for (const operation of recording.operations) disk.apply(operation);
  const rebuilt = disk.after(everything);
  const found = readTree(recording.directory);
  const paths = new Set([...rebuilt.keys(), ...found.keys()]);
  return [...paths].filter((path) => {
    if (!rebuilt.has(path) || !found.has(path)) return true;
    const [one, other] = [rebuilt.get(path), found.get(path)];
    return one === undefined || other === undefined ? one !== other : !one.equals(other);
  });
}

/** Ends the case for a store that says itself that a power cut loses acknowledged writes. */
async function needStrict(context: CaseContext): Promise<void> {
  const { durability, persistent } = (await context.engine()).capabilities;
  await context.closeEngine();
  if (!persistent) context.notApplicable('the store declares that it keeps nothing beyond the process');
  if (durability !== 'strict')
    context.notApplicable(
      `the store declares durability ${durability}: a power cut may lose what it acknowledged`,
    );
}

/** A recorded run of a plan by a strict store, all of whose data the shim saw; else the end of the case. */
export async function begin(context: CaseContext, salt: number, rounds?: number): Promise<Recording> {
  return expecting(await beginUnjudged(context, { salt, rounds }));
}

export interface RunOptions {
  readonly salt: number;
  readonly rounds?: number | undefined;
  /** As in a plan. */
  readonly plain?: number;
  /** Plain writes after which the process dies, and another goes on. Default: none. */
  readonly diesAfter?: number;
}

/** The same for a case that does not ask what was found: with many writes, to say what should be there takes long. */
export async function beginUnjudged(context: CaseContext, options: RunOptions): Promise<Recorded> {
  const { salt, rounds, plain, diesAfter } = options;
  await needShim(context);
  await needStrict(context);
  await new Holder(context).fill(new Map());
  const plan = { ...planOf(context, salt, rounds), ...(plain !== undefined && { plain }) };
  const recording = await record(context, plan, livesOf(plan, diesAfter));
  const unseen = unexplained(recording);
  const data = unseen.filter((path) => !mapped(recording, path));
  if (data.length > 0) {
    context.notApplicable(
      `the shim did not see how ${data.join(', ')} was written (a direct system call, io_uring or a static program): nothing can be said about a power cut`,
    );
  }
  return recording;
}

function livesOf(plan: PlanOptions, diesAfter: number | undefined): Life[] {
  if (diesAfter === undefined) return [{}];
  // Each plain write is a round of its own.
  const death = makePlan(plan).rounds.length - (plan.plain ?? 0) + diesAfter;
  return [{ diesBefore: death }, { from: death }];
}

function mapped({ operations, directory }: Recorded, path: string): boolean {
  return operations.some((one) => one.op === 'unseen' && one.path === join(directory, path));
}

/** Files that are written through mappings must be ones that the store can do without, as SQLite its -shm. */
export function withoutMapped(recording: Recorded, tree: Tree): Tree {
  const kept: Tree = new Map(tree);
  for (const path of tree.keys()) if (mapped(recording, path)) kept.delete(path);
  return kept;
}

/** What was announced up to an operation. */
export class Announced {
  readonly lines: string[] = [];
  readonly #expected: Expected;
  #rest = '';

  constructor(expected: Expected) {
    this.#expected = expected;
  }

  take(operation: TraceOperation): boolean {
    if (operation.op !== 'mark') return false;
    const parts = (this.#rest + operation.text).split('\n');
    this.#rest = parts.pop() ?? '';
    this.lines.push(...parts);
    return parts.length > 0;
  }

  progress(): Progress {
    return this.#expected.progress(this.lines);
  }
}

/** A plan of the case's seed; `salt` keeps cases from trying the same one. */
export function planOf(context: CaseContext, salt: number, rounds = 40): PlanOptions {
  const { hasOrderedStore: orderedStore, maxEntryBytes } = context;
  return { seed: (seedOf(context.options) + salt) >>> 0, rounds, orderedStore, maxEntryBytes };
}

/** One operation, for a message. */
export function operationText(operation: TraceOperation | undefined): string {
  if (operation === undefined) return 'none';
  if (operation.op === 'mark') return JSON.stringify(operation.text.trim());
  return 'path' in operation ? `${operation.op} ${operation.path}` : operation.op;
}
