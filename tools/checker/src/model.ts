/** What operations mean, one at a time: the sequential specification that a history is held to. */
import type { Operation } from './operation.ts';

/** `State` is a value that is compared by `identity`, never changed in place. */
export interface Model<State> {
  readonly name: string;
  /** The state of a key before its first operation. */
  init(): State;
  /**
   * The states after `operation` took effect on `state`: none when its output cannot be what this state
   * gives. An operation of unknown outcome (`output` undefined) is allowed with whatever output there is.
   */
  step(state: State, operation: Operation): State | undefined;
  /** Equal texts for equal states only. */
  identity(state: State): string;
  /** An operation of unknown outcome that changes nothing in any state is left out of the search. */
  readsOnly(operation: Operation): boolean;
  /** For people. */
  describe(state: State): string;
}

/** A key of the key-value service: absent, or a string. */
export type KvState = string | null;

const int64 = /^-?(0|[1-9][0-9]{0,18})$/;

/** The state that `output` says there was must be `state`; an unknown output says nothing. */
function told(operation: Operation, expected: Operation['output']): boolean {
  return operation.output === undefined || operation.output === expected;
}

function text(value: unknown, operation: Operation): string {
  if (typeof value !== 'string') {
    throw new RangeError(`${operation.op} of ${operation.key} needs a text, not ${JSON.stringify(value)}`);
  }
  return value;
}

function setIf(state: KvState, operation: Operation, met: boolean, value: unknown): KvState | undefined {
  if (!told(operation, met)) return undefined;
  return met ? text(value, operation) : state;
}

type Step = (state: KvState, operation: Operation) => KvState | undefined;

const steps: Readonly<Record<string, Step>> = {
  get: (state, operation) => (told(operation, state) ? state : undefined),
  set: (_, operation) => text(operation.input, operation),
  getset: (state, operation) => (told(operation, state) ? text(operation.input, operation) : undefined),
  setnx: (state, operation) => setIf(state, operation, state === null, operation.input),
  setxx: (state, operation) => setIf(state, operation, state !== null, operation.input),
  cas: (state, operation) => {
    if (!Array.isArray(operation.input))
      throw new RangeError(`cas of ${operation.key} needs [expected, value]`);
    const [expected, value] = operation.input as readonly unknown[];
    return setIf(state, operation, state === expected, value);
  },
  del: (state, operation) => (told(operation, state === null ? 0 : 1) ? null : undefined),
  incr: (state, operation) => {
    const delta = operation.input ?? 1;
    if (typeof delta !== 'number') throw new RangeError(`incr of ${operation.key} needs a number`);
    // What is no integer is refused with an error reply, and an error changes nothing.
    if (state !== null && !int64.test(state)) return told(operation, 'not an integer') ? state : undefined;
    const sum = Number(state ?? '0') + delta;
    return told(operation, sum) ? String(sum) : undefined;
  },
  append: (state, operation) => {
    const after = (state ?? '') + text(operation.input, operation);
    return told(operation, after.length) ? after : undefined;
  },
};

/**
 * The commands of the key-value service on one key. Operations, with input and output:
 * `get` null -> text or null; `set` text -> null; `getset` text -> the text before, or null;
 * `setnx` and `setxx` text -> whether it was set; `cas` [expected, text] -> whether it was set;
 * `del` null -> 0 or 1; `incr` delta -> the sum (or 'not an integer'); `append` text -> the length in characters.
 */
export const kvModel: Model<KvState> = {
  name: 'kv',
  init: () => null,
  step(state, operation) {
    const step = Object.hasOwn(steps, operation.op) ? steps[operation.op] : undefined;
    if (step === undefined) throw new RangeError(`the model kv knows no operation ${operation.op}`);
    return step(state, operation);
  },
  identity: (state) => (state === null ? '-' : `=${state}`),
  readsOnly: ({ op }) => op === 'get',
  describe: (state) => (state === null ? 'absent' : JSON.stringify(state)),
};
