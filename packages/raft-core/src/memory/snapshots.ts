/** The snapshots of one group in memory: those being written, those stored, those being read. */
import { crc32 } from '../checksum.ts';
import {
  maxChunkBytes,
  type SnapshotId,
  type SnapshotReader,
  type SnapshotWriter,
  type StoredSnapshot,
} from '../contracts/storage.ts';
import { BalsaError } from '../errors.ts';
import { assertSafeInteger } from '../invariants.ts';
import type { SnapshotMetadata } from '../types.ts';
import { copyBytes, copyMetadata, type GroupData, type SnapshotData } from './data.ts';
import type { Gate } from './gate.ts';

type Expected = Pick<StoredSnapshot, 'chunkCount' | 'bytes' | 'checksum'>;

class MemorySnapshotWriter implements SnapshotWriter {
  readonly id: SnapshotId;
  readonly metadata: SnapshotMetadata;
  readonly #origin: StoredSnapshot['origin'];
  readonly #data: GroupData;
  readonly #gate: Gate;
  readonly #ended: (id: SnapshotId) => void;
  #chunks: Uint8Array[] = [];
  #bytes = 0;
  #checksum = 0;
  #state: 'open' | 'committed' | 'aborted' = 'open';

  constructor(
    id: SnapshotId,
    metadata: SnapshotMetadata,
    origin: StoredSnapshot['origin'],
    data: GroupData,
    gate: Gate,
    ended: (id: SnapshotId) => void,
  ) {
    this.id = id;
    this.metadata = metadata;
    this.#origin = origin;
    this.#data = data;
    this.#gate = gate;
    this.#ended = ended;
  }

  get chunkCount(): number {
    return this.#chunks.length;
  }

  async write(chunk: Uint8Array): Promise<void> {
    if (chunk.length > maxChunkBytes) {
      throw new BalsaError(
        'INVALID_ARGUMENT',
        `a chunk has at most ${String(maxChunkBytes)} bytes, this one ${String(chunk.length)}`,
      );
    }
    const copy = copyBytes(chunk);
    await this.#gate.run('snapshot.write', 'read', () => {
      this.#assertOpen();
      this.#chunks.push(copy);
      this.#bytes += copy.length;
      this.#checksum = crc32(copy, this.#checksum);
    });
  }

  async commit(expected?: Expected): Promise<StoredSnapshot> {
    return this.#gate.run('snapshot.commit', 'write', () => {
      this.#assertOpen();
      if (expected !== undefined) this.#verify(expected);
      const stored: StoredSnapshot = Object.freeze({
        id: this.id,
        metadata: this.metadata,
        origin: this.#origin,
        chunkCount: this.#chunks.length,
        bytes: this.#bytes,
        checksum: this.#checksum,
      });
      this.#end('committed');
      const order = ++this.#data.snapshotCounter;
      this.#data.snapshots.set(this.id, { stored, chunks: this.#chunks, order });
      return stored;
    });
  }

  async abort(): Promise<void> {
    if (this.#state === 'open') this.#end('aborted');
  }

  #end(state: 'committed' | 'aborted'): void {
    this.#state = state;
    if (state === 'aborted') this.#chunks = [];
    this.#ended(this.id);
  }

  #assertOpen(): void {
    if (this.#state === 'open') return;
    const code = this.#state === 'aborted' ? 'STORE_SNAPSHOT_ABORTED' : 'INVALID_ARGUMENT';
    throw new BalsaError(code, `snapshot ${this.id} is ${this.#state} already`);
  }

  #verify(expected: Expected): void {
    const found: Expected = {
      chunkCount: this.#chunks.length,
      bytes: this.#bytes,
      checksum: this.#checksum,
    };
    for (const field of ['chunkCount', 'bytes', 'checksum'] as const) {
      if (found[field] === expected[field]) continue;
      this.#end('aborted');
      throw new BalsaError(
        'STORE_SNAPSHOT_INVALID',
        `snapshot ${this.id}: ${field} is ${String(found[field])}, announced was ${String(expected[field])}`,
        { details: { id: this.id, field, found: found[field], expected: expected[field] } },
      );
    }
  }
}

export class SnapshotShelf {
  readonly #data: GroupData;
  readonly #gate: Gate;
  readonly #unfinished = new Map<SnapshotId, MemorySnapshotWriter>();

  constructor(data: GroupData, gate: Gate) {
    this.#data = data;
    this.#gate = gate;
  }

  create(metadata: SnapshotMetadata): Promise<SnapshotWriter> {
    return this.#begin('createSnapshot', metadata, 'created');
  }

  async receive(metadata: SnapshotMetadata, resume?: SnapshotId): Promise<SnapshotWriter> {
    if (resume === undefined) return this.#begin('receiveSnapshot', metadata, 'received');
    this.#gate.check();
    const writer = this.#unfinished.get(resume);
    if (writer === undefined) throw notFound(resume, 'unfinished');
    const wanted = JSON.stringify(copyMetadata(metadata));
    if (JSON.stringify(writer.metadata) !== wanted) {
      throw new BalsaError(
        'STORE_SNAPSHOT_INVALID',
        `snapshot ${resume} to resume has other metadata than ${wanted}`,
      );
    }
    return writer;
  }

  open(id: SnapshotId): Promise<SnapshotReader> {
    return this.#gate.run('openSnapshot', 'read', () => {
      const snapshot = this.#data.snapshots.get(id);
      if (snapshot === undefined) throw notFound(id, 'stored');
      return this.#reader(snapshot);
    });
  }

  /** Newest first. */
  list(): StoredSnapshot[] {
    return [...this.#data.snapshots.values()].sort(newestFirst).map((snapshot) => snapshot.stored);
  }

  prune(keep: number): void {
    for (const snapshot of this.list().slice(keep)) {
      if (snapshot.id !== this.#data.pendingRestore) this.#data.snapshots.delete(snapshot.id);
    }
  }

  get(id: SnapshotId | undefined): StoredSnapshot | undefined {
    return id === undefined ? undefined : this.#data.snapshots.get(id)?.stored;
  }

  async abortUnfinished(): Promise<void> {
    for (const writer of [...this.#unfinished.values()]) await writer.abort();
  }

  #begin(
    name: string,
    metadata: SnapshotMetadata,
    origin: StoredSnapshot['origin'],
  ): Promise<SnapshotWriter> {
    return this.#gate.run(name, 'read', () => {
      assertSafeInteger(metadata.index, 'snapshot index');
      assertSafeInteger(metadata.term, 'snapshot term');
      const id = `${origin}-${String(metadata.index)}-${String(++this.#data.snapshotCounter)}`;
      const ended = (ending: SnapshotId): boolean => this.#unfinished.delete(ending);
      const writer = new MemorySnapshotWriter(
        id,
        copyMetadata(metadata),
        origin,
        this.#data,
        this.#gate,
        ended,
      );
      this.#unfinished.set(id, writer);
      return writer;
    });
  }

  #reader(snapshot: SnapshotData): SnapshotReader {
    const gate = this.#gate;
    let closed = false;
    return {
      snapshot: snapshot.stored,
      chunk: (n) =>
        gate.run('snapshot.chunk', 'read', () => {
          if (closed)
            throw new BalsaError('STORE_CLOSED', `reader of snapshot ${snapshot.stored.id} is closed`);
          const chunk = snapshot.chunks[n];
          if (chunk === undefined) {
            throw new BalsaError(
              'OUT_OF_RANGE',
              `snapshot ${snapshot.stored.id} has ${String(snapshot.chunks.length)} chunks, not ${String(n)}`,
            );
          }
          return copyBytes(chunk);
        }),
      close: () => {
        closed = true;
        return Promise.resolve();
      },
    };
  }
}

function notFound(id: SnapshotId, kind: string): BalsaError {
  return new BalsaError('STORE_SNAPSHOT_NOT_FOUND', `no ${kind} snapshot has the id ${id}`, {
    details: { id },
  });
}

function newestFirst(a: SnapshotData, b: SnapshotData): number {
  return b.stored.metadata.index - a.stored.metadata.index || b.order - a.order;
}
