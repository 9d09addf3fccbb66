/** `balsa inspect`: what is in the data directory of a node that does not run, without any risk for the data. */
import { BalsaError, isBalsaError, LogLevel, type Env, type Logger } from '@balsa/raft-core';
import { createNodeEnv } from '@balsa/raft-node';
import type { StopRequest } from '@balsa/cluster';
import { ProgressLine } from '../progress.ts';
import { look, type LookOptions } from './look.ts';
import { findPlaces, type Place, type PlaceChoice } from './places.ts';
import { printError, printNode } from './print.ts';
import {
  isWrongUse,
  problemOf,
  schemaVersion,
  type InspectReport,
  type NodeReport,
  type ProblemReport,
} from './report.ts';
import { copyInto, listFiles, Scratch } from './scratch.ts';
import { verify } from './verify.ts';

export interface InspectOptions extends PlaceChoice, LookOptions {
  readonly directory: string;
  readonly verify: boolean;
  readonly json: boolean;
  readonly scratch: string | undefined;
}

/** Where it is said. */
export interface Outlets {
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
}

const ofThisProcess: Outlets = {
  stdout: (text) => void process.stdout.write(text),
  stderr: (text) => void process.stderr.write(text),
};

/** Resolves with the exit code: 0 when nothing is wrong, 1 when something is, 2 for a wrong choice. */
export async function inspect(
  options: InspectOptions,
  stop: StopRequest,
  { stdout, stderr }: Outlets = ofThisProcess,
): Promise<number> {
  const progress = new ProgressLine(process.stderr);
  // Nothing here is worth finishing: the end of the process removes the copy and the server on it.
  stop.signal.addEventListener('abort', () => {
    progress.clear();
    process.exit(stop.exitCode() || 1);
  });
  const nodes: NodeReport[] = [];
  const end = (error?: unknown): number => {
    const ok = error === undefined && nodes.every(({ problems }) => problems.length === 0);
    const report: InspectReport = {
      schemaVersion,
      directory: options.directory,
      ok,
      nodes,
      ...(error === undefined ? {} : { error: problemOf(error) }),
    };
    if (options.json) stdout(`${JSON.stringify(report, undefined, 2)}\n`);
    else if (report.error !== undefined) printError(report.error, stderr);
    return ok ? 0 : isWrongUse(error) ? 2 : 1;
  };
  try {
    const places = await findPlaces(options.directory, options);
    if (places.length > 1 && !options.json)
      stdout(
        `${options.directory}: ${places.length} nodes, ${places.map(({ name }) => name).join(', ')}\n\n`,
      );
    for (const place of places) {
      const node =
        'source' in place
          ? await inspectPlace(place, options, progress)
          : { ...unread(place, 'unknown'), problems: [problemOf(place.error)] };
      nodes.push(node);
      progress.clear();
      if (!options.json) printNode(node, stdout);
    }
    return end();
  } catch (error) {
    progress.clear();
    return end(error);
  }
}

function unread({ name, directory }: Pick<Place, 'name' | 'directory'>, storage: string): NodeReport {
  return {
    name,
    directory,
    storage,
    files: 0,
    bytes: 0,
    engineVersion: undefined,
    identity: undefined,
    groups: [],
    stores: [],
    verified: undefined,
    notes: [],
    problems: [],
  };
}

async function inspectPlace(
  place: Place,
  options: InspectOptions,
  progress: ProgressLine,
): Promise<NodeReport> {
  const { name, directory, source } = place;
  let report = unread(place, source.name);
  let home = (text: string): string => text;
  try {
    await refuseOpen(place);
    const files = await listFiles(directory);
    report = { ...report, files: files.files.size, bytes: files.bytes };
    const scratch = await Scratch.create(options.scratch, directory);
    // What is wrong with the copy is wrong with the data.
    home = (text) => text.replaceAll(scratch.directory, directory);
    try {
      await copyInto(scratch, directory, files, (bytes) => {
        progress.show(`copying ${name}`, bytes, files.bytes);
      });
      await refuseOpen(place);
      progress.clear();
      report = { ...report, ...(await lookInto(place, scratch.directory, options, progress)) };
    } finally {
      await scratch.remove();
    }
  } catch (error) {
    if (isWrongUse(error)) throw error;
    report = { ...report, problems: [problemOf(error)] };
  }
  const problems = report.problems.map((one) => ({ ...one, message: home(one.message) }));
  return { ...report, problems, notes: report.notes.map(home) };
}

async function refuseOpen({ directory, source }: Place): Promise<void> {
  if (!(await source.isOpen(directory))) return;
  throw new BalsaError(
    'STORE_LOCKED',
    `a node runs on ${directory}: ask it (GET /status of its --http address), or stop it first; ` +
      'nothing was read or changed',
    { details: { directory } },
  );
}

async function lookInto(
  { name, source }: Place,
  copy: string,
  options: InspectOptions,
  progress: ProgressLine,
): Promise<Omit<NodeReport, 'name' | 'directory' | 'storage' | 'files' | 'bytes'>> {
  const said = new Said();
  const env: Env = createNodeEnv({ log: said });
  const engine = await source.open({ directory: copy, env });
  try {
    const identity = await engine.identity();
    const looked = await look(engine, options);
    const verified = options.verify
      ? await verify(engine, looked, (done, total) => {
          progress.show(`verifying ${name}`, done, total);
        })
      : undefined;
    return {
      engineVersion: engine.capabilities.engineVersion,
      identity,
      groups: looked.groups,
      stores: looked.stores,
      verified: verified?.verified,
      notes: said.notes,
      problems: [...said.problems, ...looked.problems, ...(verified?.problems ?? [])],
    };
  } finally {
    await engine.close();
  }
}

/** What the engine has to say of its data while it opens them. */
class Said implements Logger {
  readonly notes: string[] = [];
  readonly problems: ProblemReport[] = [];

  enabled(level: LogLevel): boolean {
    return level === LogLevel.Warn || level === LogLevel.Error;
  }

  log(level: LogLevel, text: string, fields: Readonly<Record<string, unknown>> = {}): void {
    if (level === LogLevel.Warn) this.notes.push(text);
    if (level !== LogLevel.Error) return;
    const cause = fields['error'];
    // What is left out because it is damaged comes with its error; a loss that was accepted beforehand with its extent.
    const code = 'acknowledged' in fields ? 'STORE_ACKNOWLEDGED_WRITE_LOST' : 'STORE_CORRUPT';
    this.problems.push(
      problemOf(new BalsaError(isBalsaError(cause) ? cause.code : code, text, { cause, details: fields })),
    );
  }
}
