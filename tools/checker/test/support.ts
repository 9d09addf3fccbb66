/** Histories with a known answer: an atomic store is run by random clients, and then lied about. */
import { kvModel, type KvState, type Operation, type Value } from '../src/index.ts';

export function randomSource(seed: number): () => number {
  let state = (seed * 2654435761) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

interface Shape {
  readonly seed: number;
  readonly operations: number;
  readonly clients: number;
  readonly keys: number;
  /** Chance that the client never learns the outcome. */
  readonly unknown: number;
}

const kinds = ['get', 'get', 'get', 'set', 'cas', 'incr', 'append', 'setnx', 'del', 'getset'] as const;

function outputOf(state: KvState, operation: Operation): Value {
  for (const output of [null, true, false, 0, 1, 'not an integer']) {
    if (kvModel.step(state, { ...operation, output }) !== undefined && operation.op !== 'set') return output;
  }
  switch (operation.op) {
    case 'get':
    case 'getset':
      return state;
    case 'incr':
      return Number(state ?? '0') + Number(operation.input);
    case 'append':
      return (state ?? '').length + String(operation.input).length;
    default:
      return null;
  }
}

/** Each operation takes effect at one moment inside its interval, so the history is linearizable. */
export function atomicHistory(shape: Shape): Operation[] {
  const random = randomSource(shape.seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
  const clocks = Array.from({ length: shape.clients }, () => random() * 10);
  const planned = Array.from({ length: shape.operations }, (_, i) => {
    const client = Math.floor(random() * shape.clients);
    const call = clocks[client]! + random() * 5;
    const effect = call + random() * 10;
    const end = effect + random() * 10;
    clocks[client] = end;
    const op = pick(kinds);
    const key = `k${Math.floor(random() * shape.keys)}`;
    const value = String(i % 7);
    const input: Value =
      op === 'cas'
        ? [String(Math.floor(random() * 7)), value]
        : op === 'incr'
          ? 1
          : /get$|del/.test(op)
            ? null
            : value;
    const unknown = random() < shape.unknown;
    return { client, op, key, input, call, effect, end, unknown, happens: !unknown || random() < 0.5 };
  });
  const states = new Map<string, KvState>();
  const outputs = new Map<object, Value>();
  for (const plan of [...planned].sort((a, b) => a.effect - b.effect)) {
    if (!plan.happens) continue;
    const before = states.get(plan.key) ?? null;
    const bare: Operation = { ...plan, output: undefined, return: plan.end };
    outputs.set(plan, outputOf(before, bare));
    states.set(plan.key, kvModel.step(before, bare) ?? null);
  }
  return planned.map((plan) => {
    const { client, op, key, input, call, unknown, end } = plan;
    const output = unknown ? undefined : (outputs.get(plan) ?? null);
    return { client, op, key, input, call, output, return: unknown ? Infinity : end };
  });
}
