/** Records operations as clients make them. */
import type { Operation, Value } from './operation.ts';

export interface RecorderOptions {
  /** One monotonic clock for all clients. Two events of one instant count as overlapping. */
  readonly now: () => number;
  /** Operations kept. Further ones throw `RangeError`, because a history with holes can no longer be judged. Default 5 million. */
  readonly maxOperations?: number;
}

/** An operation under way. The first of the three ends it; later ones are without effect. */
export interface PendingCall {
  /** It took effect, and this came back. */
  ok(output: Value): void;
  /** It may have taken effect, may still, or never will. */
  unknown(): void;
  /** It certainly did not and will not: it is taken out of the history. */
  refused(): void;
}

export interface Invocation {
  readonly client: number;
  readonly op: string;
  readonly key: string;
  readonly input: Value;
}

interface Slot extends Invocation {
  readonly call: number;
  output: Value | undefined;
  return: number;
  refused: boolean;
  ended: boolean;
}

export class HistoryRecorder {
  readonly #options: RecorderOptions;
  #slots: Slot[] = [];

  constructor(options: RecorderOptions) {
    this.#options = options;
  }

  /** Operations called and not refused. */
  get size(): number {
    return this.#slots.length;
  }

  /** Notes a call at this moment. */
  invoke(invocation: Invocation): PendingCall {
    const { now, maxOperations = 5_000_000 } = this.#options;
    if (this.#slots.length >= maxOperations) {
      throw new RangeError(`the history is full: it holds ${maxOperations} operations`);
    }
    const slot: Slot = {
      ...invocation,
      call: now(),
      output: undefined,
      return: Infinity,
      refused: false,
      ended: false,
    };
    this.#slots.push(slot);
    const end = (finish: () => void): void => {
      if (slot.ended) return;
      slot.ended = true;
      finish();
    };
    return {
      ok: (output) =>
        end(() => {
          slot.output = output;
          slot.return = now();
        }),
      unknown: () => end(() => undefined),
      refused: () =>
        end(() => {
          slot.refused = true;
        }),
    };
  }

  /** The history so far, in order of calls. What is still under way counts as unknown. */
  operations(): Operation[] {
    this.#slots = this.#slots.filter((slot) => !slot.refused);
    return this.#slots.map(({ client, op, key, input, output, call, return: end }) => {
      return { client, op, key, input, output, call, return: end };
    });
  }
}
