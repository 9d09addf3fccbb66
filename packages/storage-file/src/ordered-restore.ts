/** New contents in the making: given by a restore, or by the store itself to be rid of garbage. */
import {
  BalsaError,
  assertSafeInteger,
  compareBytes,
  maxKeyBytes,
  type KeyValue,
  type LogIndex,
  type OrderedRestore,
} from '@balsa/raft-core';
import { Turns } from '@balsa/storage-kit';
import { refused } from './errors.ts';
import type { FrameFile } from './frame-file.ts';
import { OrderedMap } from './ordered-map.ts';
import {
  createFile,
  removeGeneration,
  syncFile,
  type Generation,
  type StateFilesOptions,
} from './state-files.ts';
import { encodeBatch } from './state-format.ts';

/** Bytes of pairs in one frame of a new generation. */
const frameBytes = 1024 * 1024;

export function checkKey(key: Uint8Array): void {
  if (key.length >= 1 && key.length <= maxKeyBytes) return;
  throw new BalsaError(
    'INVALID_ARGUMENT',
    `a key has 1 to ${String(maxKeyBytes)} bytes, this one ${String(key.length)}`,
  );
}

/** Writes a generation that nothing points at yet. */
export class GenerationWriter {
  readonly #options: StateFilesOptions;
  readonly #number: number;
  readonly #map = new OrderedMap();
  #file: FrameFile | undefined;
  #pending: [Uint8Array, Uint8Array][] = [];
  #pendingBytes = 0;

  constructor(options: StateFilesOptions, number: number) {
    this.#options = options;
    this.#number = number;
  }

  /** Takes the pair over; keys ascend. */
  async add(key: Uint8Array, value: Uint8Array): Promise<void> {
    this.#map.set(key, value);
    this.#pending.push([key, value]);
    this.#pendingBytes += key.length + value.length;
    if (this.#pendingBytes >= frameBytes) await this.#flush(0);
  }

  /** Makes everything durable. */
  async finish(appliedIndex: LogIndex): Promise<Generation> {
    const file = await this.#flush(appliedIndex);
    await syncFile(this.#options, file);
    return {
      number: this.#number,
      map: this.#map,
      appliedIndex,
      file,
      parts: 1,
      sealedBytes: 0,
      synced: file.end.sequence,
      users: 0,
      retired: false,
    };
  }

  async abandon(): Promise<void> {
    await this.#file?.handle.close();
    await removeGeneration(this.#options, this.#number);
  }

  async #flush(appliedIndex: LogIndex): Promise<FrameFile> {
    const file = (this.#file ??= await createFile(this.#options, this.#number));
    const body = encodeBatch(this.#pending, appliedIndex, 0);
    this.#pending = [];
    this.#pendingBytes = 0;
    await file.append(body, file.end.sequence + 1);
    return file;
  }
}

export interface RestoreOptions {
  readonly writer: GenerationWriter;
  readonly check: () => void;
  /** Makes the finished contents the present ones. */
  readonly switchTo: (generation: Generation) => Promise<void>;
  readonly ended: () => void;
}

export class FileRestore implements OrderedRestore {
  readonly #options: RestoreOptions;
  #last: Uint8Array | undefined;
  #state: 'open' | 'committed' | 'aborted' = 'open';
  /** Calls take effect one at a time, in the order made. */
  readonly #turns = new Turns();

  constructor(options: RestoreOptions) {
    this.#options = options;
  }

  put(pairs: readonly KeyValue[]): Promise<void> {
    return this.#turns.take(async () => {
      this.#assertOpen();
      let last = this.#last;
      for (const { key } of pairs) {
        checkKey(key);
        if (last !== undefined && compareBytes(last, key) >= 0) {
          throw new BalsaError('INVALID_ARGUMENT', 'pairs of a restore come in strictly ascending key order');
        }
        last = key;
      }
      await this.#orAbort(async () => {
        for (const { key, value } of pairs) await this.#options.writer.add(key.slice(), value.slice());
      });
      this.#last = last?.slice();
    });
  }

  commit(appliedIndex: LogIndex): Promise<void> {
    return this.#turns.take(async () => {
      assertSafeInteger(appliedIndex, 'applied index');
      this.#assertOpen();
      await this.#orAbort(async () => {
        await this.#options.switchTo(await this.#options.writer.finish(appliedIndex));
      });
      this.#state = 'committed';
      this.#options.ended();
    });
  }

  abort(): Promise<void> {
    return this.#turns.take(() => this.#abort());
  }

  async #abort(): Promise<void> {
    if (this.#state !== 'open') return;
    this.#state = 'aborted';
    this.#options.ended();
    await this.#options.writer.abandon();
  }

  /** Half of the contents is worth nothing: what fails removes it. */
  async #orAbort(run: () => Promise<void>): Promise<void> {
    try {
      await run();
    } catch (error) {
      const failure = refused(error, 'write the restored contents');
      if (failure.outcome === 'unknown') {
        // The pointer to them may be in the log: they stay until the next opening tells.
        this.#state = 'aborted';
        this.#options.ended();
      } else {
        await this.#abort();
      }
      throw failure;
    }
  }

  #assertOpen(): void {
    this.#options.check();
    if (this.#state === 'open') return;
    const code = this.#state === 'aborted' ? 'STORE_SNAPSHOT_ABORTED' : 'INVALID_ARGUMENT';
    throw new BalsaError(code, `this restore is ${this.#state} already`);
  }
}
