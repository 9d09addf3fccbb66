/** Judges a whole history, key by key. */
import { explain } from './explain.ts';
import type { Model } from './model.ts';
import type { Operation } from './operation.ts';
import { Search } from './search.ts';

export interface CheckOptions {
  /** Configurations looked at for one key before the answer is `undecided`. Bounds time and memory. Default 2 million. */
  readonly budget?: number;
}

export type CheckResult =
  | { readonly verdict: 'ok'; readonly operations: number; readonly keys: number; readonly explored: number }
  | {
      readonly verdict: 'violation';
      readonly key: string;
      /** The operation that no order explains. */
      readonly operation: Operation;
      /** For people, line by line. */
      readonly explanation: readonly string[];
      readonly explored: number;
    }
  | {
      /** No violation was found, and for these keys the budget ended before it was shown that there is none. */
      readonly verdict: 'undecided';
      readonly keys: readonly string[];
      readonly explored: number;
    };

/**
 * Whether every key's operations can be put in one order that `model` allows and that respects time: an
 * operation that returned before another was called comes first. Throws `RangeError` for an operation that
 * the model does not know or that returns before its call.
 */
export function checkHistory<State>(
  operations: readonly Operation[],
  model: Model<State>,
  options: CheckOptions = {},
): CheckResult {
  const budget = options.budget ?? 2_000_000;
  const byKey = new Map<string, Operation[]>();
  for (const operation of operations) {
    if (!(operation.return >= operation.call)) {
      throw new RangeError(
        `an operation of client ${operation.client} on ${operation.key} returns at ${operation.return}, before its call at ${operation.call}`,
      );
    }
    const list = byKey.get(operation.key);
    if (list === undefined) byKey.set(operation.key, [operation]);
    else list.push(operation);
  }
  const undecided: string[] = [];
  let explored = 0;
  for (const [key, list] of byKey) {
    const result = new Search(model, budget).run(list);
    explored += result.explored;
    if (result.verdict === 'undecided') undecided.push(key);
    if (result.verdict === 'violation') {
      const { operation } = result;
      return { verdict: 'violation', key, operation, explanation: explain(model, result), explored };
    }
  }
  if (undecided.length > 0) return { verdict: 'undecided', keys: undecided, explored };
  return { verdict: 'ok', operations: operations.length, keys: byKey.size, explored };
}
