/** One Raft group: its log, states and snapshots. What a batch may do is decided by LogState of @balsa/storage-kit. */
import { BalsaError, Entry, assertSafeInteger, entrySize, limitSize } from '@balsa/raft-core';
import { assertBatchNumbers, isEmptyBatch } from '@balsa/storage-kit';
import { SnapshotWriter, readerOf } from './snapshots.js';

export class Group {
  groupId;
  #engine;
  #data;
  #onClose;
  #state = 'new';
  #writing = false;
  #writeCount = 0;
  #pending = new Set();
  #writers = new Map();

  constructor(engine, id, data, onClose) {
    this.groupId = id;
    this.#engine = engine;
    this.#data = data;
    this.#onClose = onClose;
  }

  async open() {
    if (this.#state === 'closed') throw new BalsaError('STORE_CLOSED', `group ${this.groupId} is closed`);
    this.#engine.check();
    if (this.#state === 'open') throw new BalsaError('INVALID_ARGUMENT', 'a group is opened once');
    this.#state = 'open';
    const { hardState, confState, outline, pendingRestore } = this.#data.state;
    return {
      hardState,
      confState,
      firstIndex: outline.firstIndex,
      lastIndex: outline.lastIndex,
      outline: outline.toData(),
      snapshot: this.#newest()[0],
      pendingRestore: pendingRestore === undefined ? undefined : this.#find(pendingRestore)?.stored,
    };
  }

  async write(batch) {
    this.#check();
    if (this.#writing) throw new BalsaError('STORE_WRITE_IN_FLIGHT', 'a write has not settled yet');
    assertBatchNumbers(batch);
    if (isEmptyBatch(batch)) return;
    this.#writing = true;
    try {
      await this.#change(() => {
        const { state } = this.#data;
        // All that can refuse comes first: a refused batch leaves no trace.
        const plan = state.plan(
          batch,
          this.#engine.capabilities.maxEntryBytes,
          (id) => this.#find(id)?.stored,
        );
        const kept = plan.install?.keepsSuffix === false ? [] : this.#data.entries;
        const end = plan.truncateFrom ?? Infinity;
        this.#data.entries = [
          ...kept.filter(({ index }) => index > plan.boundary.index && index < end),
          ...plan.entries.map(copyEntry),
        ];
        state.apply(plan);
        this.#writeCount++;
      });
    } finally {
      this.#writing = false;
    }
  }

  async entries(low, high, maxBytes) {
    this.#check();
    const { state, entries } = this.#data;
    state.checkRange(low, high);
    const { firstIndex } = state.outline;
    // TODO: read from the disk, and verify the checksum and the place of each entry.
    return limitSize(entries.slice(low - firstIndex, high - firstIndex), maxBytes).map(copyEntry);
  }

  async compactTo(index) {
    this.#check();
    assertSafeInteger(index, 'index to compact to');
    await this.#change(() => {
      const boundary = this.#data.state.planCompaction(index);
      if (boundary === undefined) return;
      this.#data.entries = this.#data.entries.filter((entry) => entry.index > index);
      this.#data.state.applyCompaction(boundary);
    });
  }

  async createSnapshot(metadata) {
    return this.#begin(metadata, 'created');
  }

  async receiveSnapshot(metadata, resume) {
    if (resume === undefined) return this.#begin(metadata, 'received');
    this.#check();
    const writer = this.#writers.get(resume);
    if (writer === undefined) throw notFound(resume);
    if (JSON.stringify(writer.metadata) !== JSON.stringify(metadata))
      throw new BalsaError('STORE_SNAPSHOT_INVALID', `snapshot ${resume} has other metadata`);
    return writer;
  }

  async openSnapshot(id) {
    this.#check();
    const found = this.#find(id);
    if (found === undefined) throw notFound(id);
    return readerOf(found, () => this.#check());
  }

  async listSnapshots() {
    this.#check();
    return this.#newest();
  }

  async pruneSnapshots(keep) {
    this.#check();
    assertSafeInteger(keep, 'snapshots to keep');
    await this.#change(() => {
      const { pendingRestore } = this.#data.state;
      const gone = this.#newest()
        .slice(keep)
        .filter(({ id }) => id !== pendingRestore);
      const ids = new Set(gone.map(({ id }) => id));
      this.#data.snapshots = this.#data.snapshots.filter(({ stored }) => !ids.has(stored.id));
    });
  }

  async maintain() {
    this.#check();
    return false;
  }

  async stats() {
    this.#check();
    const { entries, snapshots } = this.#data;
    return {
      entryCount: entries.length,
      logBytes: entries.reduce((sum, entry) => sum + entrySize(entry), 0),
      snapshotCount: snapshots.length,
      snapshotBytes: snapshots.reduce((sum, { stored }) => sum + stored.bytes, 0),
      garbageBytes: 0,
      lastSyncMs: 0,
      writeCount: this.#writeCount,
    };
  }

  async close() {
    if (this.#state !== 'closed') {
      this.#state = 'closed';
      for (const writer of [...this.#writers.values()]) await writer.abort();
      this.#onClose();
    }
    await Promise.allSettled(this.#pending);
  }

  async [Symbol.asyncDispose]() {
    await this.close();
  }

  #check() {
    if (this.#state === 'closed') throw new BalsaError('STORE_CLOSED', `group ${this.groupId} is closed`);
    this.#engine.check();
    if (this.#state !== 'open') throw new BalsaError('STORE_NOT_OPEN', 'call open() first, and wait for it');
  }

  /** A change of the engine that `close` waits for. */
  #change(effect) {
    const work = this.#engine.change(effect);
    const forget = () => this.#pending.delete(work);
    this.#pending.add(work);
    work.then(forget, forget);
    return work;
  }

  #begin(metadata, origin) {
    this.#check();
    assertSafeInteger(metadata.index, 'snapshot index');
    assertSafeInteger(metadata.term, 'snapshot term');
    const id = `${origin}-${metadata.index}-${++this.#data.snapshotCounter}`;
    const writer = new SnapshotWriter({
      id,
      metadata: JSON.parse(JSON.stringify(metadata)),
      origin,
      check: () => this.#check(),
      keep: (snapshot) => this.#change(() => this.#data.snapshots.push(snapshot)),
      ended: () => this.#writers.delete(id),
    });
    this.#writers.set(id, writer);
    return writer;
  }

  #find(id) {
    return this.#data.snapshots.find(({ stored }) => stored.id === id);
  }

  #newest() {
    const stored = this.#data.snapshots.map((snapshot) => snapshot.stored).reverse();
    return stored.sort((a, b) => b.metadata.index - a.metadata.index);
  }
}

/** Bytes given to a store are the caller's again once the call settles; bytes it gives are the caller's for ever. */
function copyEntry({ term, index, type, data, context }) {
  return new Entry(term, index, type, Uint8Array.from(data), Uint8Array.from(context));
}

function notFound(id) {
  return new BalsaError('STORE_SNAPSHOT_NOT_FOUND', `there is no snapshot ${id}`);
}
