/**
 * A run of a core as steps: what was put in, what came out. A recorded run can be replayed and compared, by the
 * same core later or by another implementation, without the network and the disks that it ran on.
 */
import { BalsaError, isBalsaError } from '../errors.ts';
import { RawNode, type RawNodeConfig } from '../raw-node.ts';
import type { LogPeek, RaftConfig, RaftInitialState } from '../config.ts';
import type { RaftCore, Ready } from '../core.ts';
import type { Entry, Snapshot } from '../types.ts';
import { decodeStep, encodeStep } from './step-codec.ts';

/** Makes the core under record or replay; given exactly the configuration that it must use. */
export type MakeRecorded<T extends RaftCore> = (config: RawNodeConfig, initial: RaftInitialState) => T;

/** What a configuration says apart from functions, which a recording stands in for. */
type PlainConfig = Omit<Partial<RaftConfig>, 'random' | 'logger' | 'peek' | 'tracer'>;

interface Header {
  readonly balsaSteps: 1;
  readonly config: PlainConfig & Pick<RaftConfig, 'id'>;
  /** Whether the core had a `peek` to ask. */
  readonly peeks: boolean;
  readonly initial: RaftInitialState;
  readonly draws: readonly number[];
}

interface Step {
  readonly do: string;
  readonly args: readonly unknown[];
  /** What `random` gave meanwhile. */
  readonly draws?: readonly number[];
  /** What `peek` gave meanwhile; null for what was not resident. */
  readonly peeks?: readonly unknown[];
  /** What the call gave; absent when nothing. */
  readonly out?: unknown;
  /** The code of the error that it threw. */
  readonly error?: string;
}

/** Calls that change nothing, and come without a trace. */
const questions: ReadonlySet<string> = new Set(['hasReady', 'status', 'basicStatus', 'visitProgress']);

/** Notes what a source gave, until it is asked for. */
class Notes<T> {
  #noted: T[] = [];

  note(value: T): T {
    this.#noted.push(value);
    return value;
  }

  take(): readonly T[] | undefined {
    if (this.#noted.length === 0) return undefined;
    const noted = this.#noted;
    this.#noted = [];
    return noted;
  }
}

function notingPeek(peek: LogPeek, notes: Notes<unknown>): LogPeek {
  return {
    entries: (low, high, maxBytes) => {
      const entries = peek.entries(low, high, maxBytes);
      notes.note(entries ?? null);
      return entries;
    },
    snapshot: (minIndex, to) => {
      const snapshot = peek.snapshot(minIndex, to);
      notes.note(snapshot ?? null);
      return snapshot;
    },
  };
}

/** The text of what a call gave; of an error its code, since words may change. */
function outcome(call: () => unknown): {
  readonly out?: unknown;
  readonly error?: string;
  readonly thrown?: unknown;
} {
  try {
    const out = call();
    return out === undefined ? {} : { out };
  } catch (thrown) {
    if (!isBalsaError(thrown)) throw thrown;
    return { error: thrown.code, thrown };
  }
}

/**
 * Makes a core and records it: `write` gets one line of NDJSON for its start and for every call that may change it,
 * in order, without the newline. The result is to be used in the core's place. Use one recorder for one life of a
 * core: a restart begins another recording.
 */
export function recordCore<T extends RaftCore>(
  config: RawNodeConfig,
  initial: RaftInitialState,
  write: (line: string) => void,
  makeCore: MakeRecorded<T>,
): T {
  const draws = new Notes<number>();
  const peeks = new Notes<unknown>();
  const { random, logger, peek, tracer, ...plain } = config;
  const functions = {
    random: () => draws.note(random()),
    ...(logger === undefined ? {} : { logger }),
    ...(peek === undefined ? {} : { peek: notingPeek(peek, peeks) }),
    ...(tracer === undefined ? {} : { tracer }),
  };
  const core = makeCore({ ...plain, ...functions }, initial);
  const header: Header = {
    balsaSteps: 1,
    config: plain,
    peeks: peek !== undefined,
    initial,
    draws: draws.take() ?? [],
  };
  write(encodeStep(header));
  const recorded = (name: string, method: (...args: unknown[]) => unknown) => {
    return (...args: unknown[]): unknown => {
      // An argument may be changed by the call: it is written down before.
      const noted = encodeStep(name === 'advance' ? [(args[0] as Ready).number] : args);
      const { thrown, ...result } = outcome(() => method.apply(core, args));
      const step = { do: name, args: decodeStep(noted), draws: draws.take(), peeks: peeks.take(), ...result };
      write(encodeStep(step));
      if (thrown !== undefined) throw thrown as Error;
      return result.out;
    };
  };
  return new Proxy(core, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function' || typeof name !== 'string') return value;
      const method = value as (...args: unknown[]) => unknown;
      return questions.has(name) ? method.bind(target) : recorded(name, method);
    },
  });
}

/** Where a replay differs from its recording. */
export interface ReplayMismatch {
  /** Line of the recording, from 1. */
  readonly line: number;
  readonly call: string;
  /** JSON of what the recording holds and of what the replay gave. */
  readonly expected: string;
  readonly actual: string;
}

export interface ReplayResult {
  /** Steps that were compared, the differing one included. */
  readonly steps: number;
  /** The first difference; undefined when there is none. */
  readonly mismatch: ReplayMismatch | undefined;
}

/** Answers from a recording, in order. */
class Answers {
  #queue: unknown[] = [];

  fill(values: readonly unknown[] | undefined): void {
    this.#queue = [...(values ?? [])];
  }

  next(what: string): unknown {
    if (this.#queue.length === 0)
      throw new BalsaError(
        'INVALID_ARGUMENT',
        `the replay asks for ${what} more often than the recording did`,
      );
    return this.#queue.shift();
  }
}

/**
 * Does the steps of a recording again and compares what comes out, up to the first difference. Throws
 * `INVALID_ARGUMENT` for what is no recording.
 */
export function replay(
  steps: Iterable<string>,
  makeCore: MakeRecorded<RaftCore> = (config, initial) => new RawNode(config, initial),
): ReplayResult {
  const draws = new Answers();
  const peeks = new Answers();
  let core: RaftCore | undefined;
  let ready: Ready | undefined;
  let line = 0;
  for (const text of steps) {
    line++;
    if (core === undefined) {
      const header = readHeader(text);
      draws.fill(header.draws);
      const peek = header.peeks ? { peek: answeringPeek(peeks) } : {};
      core = makeCore(
        { ...header.config, ...peek, random: () => draws.next('random') as number },
        header.initial,
      );
      continue;
    }
    const step = decodeStep(text) as Step;
    draws.fill(step.draws);
    peeks.fill(step.peeks);
    const args = step.do === 'advance' ? [ready] : step.args;
    const method: unknown = Reflect.get(core, step.do, core);
    if (typeof method !== 'function')
      throw new BalsaError('INVALID_ARGUMENT', `line ${String(line)}: no call ${step.do}`);
    const { thrown: _, ...result } = outcome(() =>
      (method as (...a: unknown[]) => unknown).apply(core, [...args]),
    );
    if (step.do === 'ready') ready = result.out as Ready;
    const expected = encodeStep({ out: step.out, error: step.error });
    const actual = encodeStep({ out: result.out, error: result.error });
    if (expected !== actual) return { steps: line - 1, mismatch: { line, call: step.do, expected, actual } };
  }
  if (core === undefined) throw new BalsaError('INVALID_ARGUMENT', 'a recording begins with its header');
  return { steps: line - 1, mismatch: undefined };
}

function readHeader(text: string): Header {
  const header = decodeStep(text) as Partial<Header> | null;
  if (header?.balsaSteps !== 1 || header.config === undefined || header.initial === undefined)
    throw new BalsaError('INVALID_ARGUMENT', 'a recording begins with its header, of format 1');
  return header as Header;
}

function answeringPeek(answers: Answers): LogPeek {
  const next = (): unknown => answers.next('peek') ?? undefined;
  return {
    entries: () => next() as readonly Entry[] | undefined,
    snapshot: () => next() as Snapshot | undefined,
  };
}
