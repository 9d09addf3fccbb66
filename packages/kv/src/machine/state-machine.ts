import { crc32 } from 'node:zlib';
import {
  BalsaError,
  encodeOrderedSnapshot,
  invariant,
  isBalsaError,
  restoreOrderedSnapshot,
  type ApplyBatch,
  type LogIndex,
  type OrderedStore,
  type SnapshotMetadata,
  type StateMachine,
  type StateView,
} from '@balsa/raft-core';
import type { KvResult } from '../replicated-log.ts';
import { applyCommand, keysRead } from './apply.ts';
import { decodeCommand } from './command.ts';
import { digestOf, type StateDigest } from './digest.ts';
import { Overlay } from './overlay.ts';
import { WriteBehindStore, type WriteBehindBounds } from './write-behind.ts';

export interface KvStateMachineOptions {
  /** Whether the store outlives the process. Default true. */
  readonly persistent?: boolean;
  /** Length of the chunks of a snapshot, in bytes: the same on every node, so that the same state gives the same bytes. Default 256 KiB. */
  readonly snapshotChunkBytes?: number;
  /** How much gathers in memory before it is written to the store. Default: 65,536 changes, 8 MiB. */
  readonly gather?: Partial<WriteBehindBounds>;
}

/**
 * The key-value state on an OrderedStore.
 *
 * A batch is applied as one read of the keys it looks at, commands carried out in memory, and one atomic
 * write that carries the applied index; so what a crash leaves is the state after some whole batch,
 * and replaying from the applied index found by `open` gives the same state again. Writes gather in
 * memory, a bounded number of them, until the store is worth a transaction or somebody needs them there.
 */
export class KvStateMachine implements StateMachine<KvResult> {
  readonly persistent: boolean;
  readonly #store: OrderedStore;
  readonly #chunkBytes: number;
  #appliedIndex: LogIndex = 0;
  #failed: BalsaError | undefined;

  constructor(store: OrderedStore, options: KvStateMachineOptions = {}) {
    this.#store = new WriteBehindStore(store, options.gather);
    this.#chunkBytes = options.snapshotChunkBytes ?? 256 * 1024;
    this.persistent = options.persistent ?? true;
  }

  /** The state, for reads. It is not to be written beside the state machine. */
  get store(): OrderedStore {
    return this.#store;
  }

  get appliedIndex(): LogIndex {
    return this.#appliedIndex;
  }

  async open(): Promise<{ readonly appliedIndex: LogIndex }> {
    const { appliedIndex } = await this.#store.open();
    this.#appliedIndex = appliedIndex;
    return { appliedIndex };
  }

  /**
   * Rejects with `UNKNOWN_COMMAND_VERSION` for a command it does not know, with what the store reports, and
   * with `STATE_MACHINE_FAILED` for anything else; then nothing later is applied either.
   */
  async apply(batch: ApplyBatch): Promise<readonly KvResult[]> {
    if (this.#failed !== undefined) throw this.#failed;
    try {
      return await this.#apply(batch);
    } catch (cause) {
      const through = `index ${String(batch.appliedIndex)}`;
      this.#failed = isBalsaError(cause)
        ? cause
        : new BalsaError('STATE_MACHINE_FAILED', `applying the log up to ${through} failed`, { cause });
      throw this.#failed;
    }
  }

  async #apply(batch: ApplyBatch): Promise<readonly KvResult[]> {
    this.#checkOrder(batch);
    const commands = batch.commands.map((command) => decodeCommand(command.data));
    const state = await Overlay.over(this.#store, commands.flatMap(keysRead));
    const results = commands.map((command) => applyCommand(command, state));
    await this.#store.write({ changes: state.changes(), appliedIndex: batch.appliedIndex });
    this.#appliedIndex = batch.appliedIndex;
    return results;
  }

  /** A command at or below the applied index is already in the state: carrying it out again would count an INCR twice. */
  #checkOrder(batch: ApplyBatch): void {
    let last = this.#appliedIndex;
    for (const { index } of batch.commands) {
      invariant(
        index > last,
        'a command is applied once, in order',
        () => `index ${String(index)} after ${String(last)}`,
      );
      last = index;
    }
    invariant(batch.appliedIndex >= last, 'the applied index covers the batch', () => {
      return `${String(batch.appliedIndex)} is below ${String(last)}`;
    });
  }

  async sync(): Promise<LogIndex> {
    return await this.#store.sync();
  }

  async snapshot(): Promise<StateView> {
    const view = await this.#store.view();
    return {
      appliedIndex: view.appliedIndex,
      chunks: () => encodeOrderedSnapshot(view, { chunkBytes: this.#chunkBytes, crc: crc32 }),
      release: () => view.release(),
    };
  }

  async restore(metadata: SnapshotMetadata, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    await restoreOrderedSnapshot(this.#store, chunks, metadata.index, { crc: crc32 });
    this.#appliedIndex = metadata.index;
    this.#failed = undefined;
  }

  /** Over the whole state at one applied index; equal on every node that has applied the same log. */
  digest(): Promise<StateDigest> {
    return digestOf(this.#store);
  }

  async close(): Promise<void> {
    await this.#store.close();
  }
}

/** The state machine of the key-value service on `store`, which it opens and closes. */
export function createKvStateMachine(
  store: OrderedStore,
  options: KvStateMachineOptions = {},
): KvStateMachine {
  return new KvStateMachine(store, options);
}
