/** Keeps the calls to a state machine apart, as its contract promises: applying, syncing, viewing and restoring come from different parts of a node. */
import type { ApplyBatch, LogIndex, SnapshotMetadata, StateMachine, StateView } from '@balsa/raft-core';

export class SerialMachine<R> implements StateMachine<R> {
  readonly persistent: boolean;
  readonly #machine: StateMachine<R>;
  /** Settles, and never rejects, when the last call that was asked for has ended. */
  #last: Promise<unknown> | undefined;

  constructor(machine: StateMachine<R>) {
    this.#machine = machine;
    this.persistent = machine.persistent;
  }

  open(): Promise<{ readonly appliedIndex: LogIndex }> {
    return this.#inTurn(() => this.#machine.open());
  }

  apply(batch: ApplyBatch): Promise<readonly R[]> {
    return this.#inTurn(() => this.#machine.apply(batch));
  }

  sync(): Promise<LogIndex> {
    return this.#inTurn(() => this.#machine.sync());
  }

  snapshot(): Promise<StateView> {
    return this.#inTurn(() => this.#machine.snapshot());
  }

  restore(metadata: SnapshotMetadata, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    return this.#inTurn(() => this.#machine.restore(metadata, chunks));
  }

  close(): Promise<void> {
    return this.#inTurn(() => this.#machine.close());
  }

  /** At once when nothing is under way: an idle machine costs no extra turn. */
  #inTurn<T>(call: () => Promise<T>): Promise<T> {
    const before = this.#last;
    const result = before === undefined ? call() : before.then(call);
    const settled: Promise<void> = result.then(
      () => this.#ended(settled),
      () => this.#ended(settled),
    );
    this.#last = settled;
    return result;
  }

  #ended(call: Promise<void>): void {
    if (this.#last === call) this.#last = undefined;
  }
}
