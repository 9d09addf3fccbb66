/** A state machine for tests: a list of texts, on a disk that can lose what was not synced. */
import type { ApplyBatch, LogIndex, SnapshotMetadata, StateMachine, StateView } from '@balsa/raft-core';

interface MachineState {
  readonly applied: LogIndex;
  readonly texts: readonly string[];
}

/** Outlives the machines opened on it. */
export class MachineDisk {
  synced: MachineState = { applied: 0, texts: [] };
  /** Nothing but what was synced survives. */
  current: MachineState = this.synced;
  crash(): void {
    this.current = this.synced;
  }
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function bytesOf(text: string): Uint8Array {
  return encoder.encode(text);
}

export class TestMachine implements StateMachine<string> {
  readonly persistent: boolean;
  /** Calls of `sync`. */
  syncs = 0;
  readonly #disk: MachineDisk;
  restores = 0;
  /** Thrown by the next apply. */
  failure: Error | undefined;
  /** Awaited by restore. */
  restoreGate: Promise<void> | undefined;
  chunkBytes = 64;
  closed = false;

  constructor(disk: MachineDisk, persistent: boolean) {
    this.#disk = disk;
    this.persistent = persistent;
    if (!persistent) disk.current = disk.synced = { applied: 0, texts: [] };
  }

  get texts(): readonly string[] {
    return this.#disk.current.texts;
  }

  get applied(): LogIndex {
    return this.#disk.current.applied;
  }

  open(): Promise<{ appliedIndex: LogIndex }> {
    return Promise.resolve({ appliedIndex: this.applied });
  }

  async apply(batch: ApplyBatch): Promise<readonly string[]> {
    await Promise.resolve();
    if (this.failure !== undefined) throw this.failure;
    let last = this.applied;
    for (const { index } of batch.commands) {
      if (index <= last) throw new Error(`index ${String(index)} was applied twice or out of order`);
      last = index;
    }
    if (batch.appliedIndex < last) throw new Error('applied index goes back');
    const texts = batch.commands.map((command) => decoder.decode(command.data));
    this.#disk.current = { applied: batch.appliedIndex, texts: [...this.texts, ...texts] };
    return batch.commands.map((command, i) => `${String(command.index)}:${texts[i] ?? ''}`);
  }

  sync(): Promise<LogIndex> {
    this.syncs++;
    this.#disk.synced = this.#disk.current;
    return Promise.resolve(this.applied);
  }

  snapshot(): Promise<StateView> {
    const { applied, texts } = this.#disk.current;
    const whole = bytesOf(texts.join('\n'));
    const size = this.chunkBytes;
    return Promise.resolve({
      appliedIndex: applied,
      async *chunks(): AsyncGenerator<Uint8Array> {
        for (let at = 0; at < whole.length; at += size)
          yield await Promise.resolve(whole.slice(at, at + size));
      },
      release: () => Promise.resolve(),
    });
  }

  async restore(metadata: SnapshotMetadata, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    let text = '';
    for await (const chunk of chunks) text += decoder.decode(chunk);
    await this.restoreGate;
    this.restores++;
    this.#disk.current = { applied: metadata.index, texts: text === '' ? [] : text.split('\n') };
    this.#disk.synced = this.#disk.current;
  }

  close(): Promise<void> {
    this.closed = true;
    return Promise.resolve();
  }
}
