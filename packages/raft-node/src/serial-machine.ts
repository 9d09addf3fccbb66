/**
 * Keeps the calls to a state machine apart, as its contract promises: applying, syncing, viewing and restoring come from
 * different parts of a node. And holds it to its side of that contract, so that its errors are told as its own.
 */
import {
  BalsaError,
  toBalsaError,
  type ApplyBatch,
  type LogIndex,
  type SnapshotMetadata,
  type StateMachine,
  type StateView,
} from '@balsa/raft-core';

export class SerialMachine<R> implements StateMachine<R> {
  readonly persistent: boolean;
  readonly #machine: StateMachine<R>;
  /** Settles, and never rejects, when the last call that was asked for has ended. */
  #last: Promise<unknown> | undefined;

  constructor(machine: StateMachine<R>) {
    this.#machine = machine;
    this.persistent = machine.persistent;
  }

  async open(): Promise<{ readonly appliedIndex: LogIndex }> {
    const opened = await this.#blamed('could not be opened', () => this.#machine.open());
    return { appliedIndex: checkIndex('open', indexIn(opened)) };
  }

  apply(batch: ApplyBatch): Promise<readonly R[]> {
    return this.#inTurn(() => this.#machine.apply(batch));
  }

  async sync(): Promise<LogIndex> {
    return checkIndex('sync', await this.#blamed('failed to sync', () => this.#machine.sync()));
  }

  async snapshot(): Promise<StateView> {
    const view = await this.#blamed('could not be viewed for a snapshot', () => this.#machine.snapshot());
    checkIndex('snapshot', indexIn(view));
    return view;
  }

  async restore(metadata: SnapshotMetadata, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const what = `could not restore the snapshot at index ${String(metadata.index)}`;
    await this.#blamed(what, () => this.#machine.restore(metadata, chunks));
  }

  close(): Promise<void> {
    return this.#inTurn(() => this.#machine.close());
  }

  async #blamed<T>(what: string, call: () => Promise<T>): Promise<T> {
    try {
      return await this.#inTurn(call);
    } catch (error) {
      throw toBalsaError(error, 'STATE_MACHINE_FAILED', `the state machine ${what}: ${String(error)}`);
    }
  }

  /** At once when nothing is under way: an idle machine costs no extra turn. */
  #inTurn<T>(call: () => Promise<T>): Promise<T> {
    const before = this.#last;
    const result = before === undefined ? Promise.resolve(call()) : before.then(call);
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

/** Applies, and holds the state machine to one result per command: else a caller would get that of another, or none. */
export async function applyBatch<R>(machine: StateMachine<R>, batch: ApplyBatch): Promise<readonly R[]> {
  const { commands, appliedIndex } = batch;
  let results: unknown;
  try {
    results = await machine.apply(batch);
  } catch (error) {
    const first = commands[0]?.index;
    const range = first === undefined ? '' : `${String(first)} to `;
    const what = `the state machine failed to apply index ${range}${String(appliedIndex)}`;
    throw toBalsaError(error, 'STATE_MACHINE_FAILED', `${what}: ${String(error)}`);
  }
  if (Array.isArray(results) && results.length === commands.length) return results as R[];
  // Without commands nobody waits for a result.
  if (commands.length === 0) return [];
  const got = Array.isArray(results) ? String(results.length) : typeof results;
  return broken(
    `apply() has to give one result per command, ${String(commands.length)} here, but gave ${got}`,
  );
}

function indexIn(told: { readonly appliedIndex: LogIndex } | undefined): unknown {
  return told?.appliedIndex;
}

function checkIndex(method: string, index: unknown): LogIndex {
  if (Number.isSafeInteger(index) && (index as number) >= 0) return index as LogIndex;
  return broken(`${method}() has to tell the applied index, a safe integer, but told ${String(index)}`);
}

function broken(how: string): never {
  throw new BalsaError('STATE_MACHINE_FAILED', `the state machine breaks its contract: ${how}`);
}
