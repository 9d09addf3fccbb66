/**
 * Linearizable reads (thesis §6.4): ask the core for a read index, wait until it is applied here.
 *
 * Reads that arrive while a round is under way share the next one: a round may only answer reads that
 * were there when it began. A round may be lost on the way, so it is asked again with a new context.
 */
import { BalsaError, type Env, type LogIndex, type ReadState } from '@balsa/raft-core';
import { ByteWriter } from './bytes.ts';
import type { MetricsRecorder } from './metrics.ts';
import { Call, type CallOptions } from './call.ts';

export interface ReadsOptions {
  readonly env: Env;
  readonly metrics: MetricsRecorder;
  readonly incarnation: Uint8Array;
  readonly maxPending: number;
  /** Ticks after which a round counts as lost. */
  readonly retryTicks: number;
  readonly requestTimeoutMs: number;
  readonly readIndex: (context: Uint8Array) => void;
  readonly applied: () => LogIndex;
  readonly hasLeader: () => boolean;
  /** Asks for a `flush` soon. */
  readonly schedule: () => void;
}

interface Round {
  readonly counter: number;
  readonly calls: Call<LogIndex>[];
  ticks: number;
}

export class Reads {
  readonly #options: ReadsOptions;
  #waiting: Call<LogIndex>[] = [];
  #round: Round | undefined;
  #confirmed: { readonly index: LogIndex; readonly calls: readonly Call<LogIndex>[] }[] = [];
  #counter = 0;
  #pending = 0;

  constructor(options: ReadsOptions) {
    this.#options = options;
  }

  get pending(): number {
    return this.#pending;
  }

  read(options: CallOptions = {}): Promise<LogIndex> {
    const { env, metrics, maxPending, requestTimeoutMs } = this.#options;
    metrics.add('reads');
    if (this.#pending >= maxPending) {
      metrics.readOutcome('OVERLOADED');
      return Promise.reject(
        new BalsaError('OVERLOADED', `${String(maxPending)} reads are waiting already`, {
          details: { limit: maxPending },
        }),
      );
    }
    const call = new Call<LogIndex>(env, options, requestTimeoutMs, (code) => {
      this.#pending--;
      metrics.readOutcome(code);
      metrics.observe('readMs', env.now() - call.startedAt);
    });
    this.#pending++;
    call.heedSignal('the caller gave up waiting for the read');
    if (!call.settled) {
      this.#waiting.push(call);
      this.#options.schedule();
    }
    return call.promise;
  }

  /** Begins a round when there is none and somebody waits. */
  flush(): void {
    if (this.#round !== undefined || this.#waiting.length === 0 || !this.#options.hasLeader()) return;
    const calls = this.#waiting.filter((call) => !call.settled);
    this.#waiting = [];
    if (calls.length > 0) this.#ask(calls);
  }

  onReadState(state: ReadState): void {
    const round = this.#round;
    if (round === undefined || !sameBytes(state.context, this.#context(round.counter))) return;
    this.#round = undefined;
    this.#confirmed.push({ index: state.index, calls: round.calls });
    this.onApplied();
    this.flush();
  }

  onApplied(): void {
    if (this.#confirmed.length === 0) return;
    const applied = this.#options.applied();
    const ripe = this.#confirmed.filter((group) => group.index <= applied);
    if (ripe.length === 0) return;
    this.#confirmed = this.#confirmed.filter((group) => group.index > applied);
    for (const group of ripe) for (const call of group.calls) call.resolve(applied);
  }

  /** What was asked of the old leader, or of none, is asked again at once. */
  onLeaderChange(): void {
    this.#again();
    this.flush();
  }

  tick(): void {
    const now = this.#options.env.now();
    for (const call of this.#all()) {
      if (now < call.deadline) continue;
      const why = this.#options.hasLeader()
        ? 'the read index was not confirmed and applied'
        : 'no leader is known';
      call.reject(
        new BalsaError('TIMEOUT', `${why} within ${String(Math.round(call.deadline - call.startedAt))} ms`),
      );
    }
    this.#waiting = this.#waiting.filter((call) => !call.settled);
    this.#confirmed = this.#confirmed.filter((group) => group.calls.some((call) => !call.settled));
    if (this.#round !== undefined && ++this.#round.ticks >= this.#options.retryTicks) this.#again();
    this.flush();
  }

  close(error: BalsaError): void {
    for (const call of this.#all()) call.reject(error);
    this.#waiting = [];
    this.#round = undefined;
    this.#confirmed = [];
  }

  #again(): void {
    const round = this.#round;
    if (round === undefined) return;
    this.#round = undefined;
    this.#waiting = [...round.calls, ...this.#waiting];
  }

  #ask(calls: Call<LogIndex>[]): void {
    this.#options.metrics.add('readRounds');
    this.#counter++;
    this.#round = { counter: this.#counter, calls, ticks: 0 };
    this.#options.readIndex(this.#context(this.#counter));
  }

  *#all(): Generator<Call<LogIndex>> {
    yield* this.#waiting;
    yield* this.#round?.calls ?? [];
    for (const group of this.#confirmed) yield* group.calls;
  }

  #context(counter: number): Uint8Array {
    return new ByteWriter(16).raw(this.#options.incarnation).u64(counter).finish();
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
