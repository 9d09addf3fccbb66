/** A group whose Storage lives in the worker. */
import type {
  Entry,
  LogIndex,
  SnapshotId,
  SnapshotMetadata,
  SnapshotReader,
  SnapshotWriter,
  Storage,
  StorageState,
  StorageStats,
  StoredSnapshot,
  WriteBatch,
} from '@balsa/raft-core';
import { Lifecycle } from '../lifecycle.ts';
import { endOf, type Link } from './link.ts';
import { packBatch, unpackEntries } from './payload.ts';
import type { Handle } from './protocol.ts';
import { WorkerSnapshotReader, WorkerSnapshotWriter, type WriterState } from './worker-snapshots.ts';

export class WorkerStorage implements Storage {
  readonly groupId: string;
  readonly #link: Link;
  readonly #handle: Handle;
  readonly #life: Lifecycle;
  readonly #onClose: () => void;
  #opened: true | undefined;

  constructor(
    groupId: string,
    link: Link,
    handle: Handle,
    assertEngineOpen: () => void,
    onClose: () => void,
  ) {
    this.groupId = groupId;
    this.#link = link;
    this.#handle = handle;
    this.#onClose = onClose;
    this.#life = new Lifecycle(`group ${JSON.stringify(groupId)}`, () => {
      assertEngineOpen();
      link.check();
    });
  }

  async open(): Promise<StorageState> {
    this.#life.assertAlive();
    const state = await this.#call<StorageState>('open', []);
    this.#opened = true;
    return state;
  }

  /** Refused here, too, while the one before has not settled here: the worker may have settled it already. */
  async write(batch: WriteBatch): Promise<void> {
    this.#check();
    await this.#life.writeAlone(async () => {
      const packed = packBatch(batch);
      const transfer = packed.entries === undefined ? [] : [packed.entries.buffer];
      await this.#link.call(this.#handle, 'write', [packed], { transfer });
    });
  }

  async entries(low: LogIndex, high: LogIndex, maxBytes: number): Promise<Entry[]> {
    this.#check();
    return this.#life.track(() =>
      this.#link.list(this.#handle, 'entries', [low, high, maxBytes], unpackEntries),
    );
  }

  async compactTo(index: LogIndex): Promise<void> {
    this.#check();
    await this.#call('compactTo', [index]);
  }

  async createSnapshot(metadata: SnapshotMetadata): Promise<SnapshotWriter> {
    return this.#writer('createSnapshot', [metadata]);
  }

  async receiveSnapshot(metadata: SnapshotMetadata, resume?: SnapshotId): Promise<SnapshotWriter> {
    return this.#writer('receiveSnapshot', [metadata, resume]);
  }

  async openSnapshot(id: SnapshotId): Promise<SnapshotReader> {
    this.#check();
    const as = this.#link.newHandle();
    const stored = await this.#call<StoredSnapshot>('openSnapshot', [id], as);
    return new WorkerSnapshotReader(this.#link, as, stored);
  }

  async listSnapshots(): Promise<StoredSnapshot[]> {
    this.#check();
    return this.#call('listSnapshots', []);
  }

  async pruneSnapshots(keep: number): Promise<void> {
    this.#check();
    await this.#call('pruneSnapshots', [keep]);
  }

  async maintain(): Promise<boolean> {
    this.#check();
    return this.#call('maintain', []);
  }

  async stats(): Promise<StorageStats> {
    this.#check();
    return this.#call('stats', []);
  }

  close(): Promise<void> {
    return this.#life.close(async () => {
      try {
        await endOf(this.#link, this.#handle, 'close');
        await this.#life.settled();
      } finally {
        this.#onClose();
      }
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #writer(method: string, args: readonly unknown[]): Promise<SnapshotWriter> {
    this.#check();
    const as = this.#link.newHandle();
    const state = await this.#call<WriterState>(method, args, as);
    return new WorkerSnapshotWriter(this.#link, as, state);
  }

  #call<T>(method: string, args: readonly unknown[], as?: Handle): Promise<T> {
    const extras = as === undefined ? {} : { as };
    return this.#life.track(() => this.#link.call<T>(this.#handle, method, args, extras));
  }

  #check(): void {
    this.#life.assertOpen(this.#opened);
  }
}
