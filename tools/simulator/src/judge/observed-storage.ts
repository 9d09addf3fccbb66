/** A store as its node sees it, with the judge looking over its shoulder. */
import {
  isBalsaError,
  type Entry,
  type LogIndex,
  type SnapshotId,
  type SnapshotMetadata,
  type SnapshotReader,
  type SnapshotWriter,
  type Storage,
  type StorageState,
  type StorageStats,
  type StoredSnapshot,
  type WriteBatch,
} from '@balsa/raft-core';
import { entryDigest } from './entry-book.ts';
import type { Judge } from './judge.ts';
import type { Site } from './site.ts';

export class ObservedStorage implements Storage {
  readonly #inner: Storage;
  readonly #judge: Judge;
  readonly #site: Site;

  constructor(inner: Storage, judge: Judge, site: Site) {
    this.#inner = inner;
    this.#judge = judge;
    this.#site = site;
  }

  get groupId(): string {
    return this.#inner.groupId;
  }

  async open(): Promise<StorageState> {
    const state = await this.#inner.open();
    this.#judge.opened(this.#site, state);
    return state;
  }

  async write(batch: WriteBatch): Promise<void> {
    const site = this.#site;
    const installed = batch.install === undefined ? undefined : site.snapshots.get(batch.install);
    const inFlight = { batch, installed };
    this.#judge.beforeWrite(site, inFlight);
    site.inFlight = inFlight;
    try {
      await this.#inner.write(batch);
    } catch (error) {
      if (isBalsaError(error) && error.outcome === 'refused') site.inFlight = undefined;
      throw error;
    }
    this.#judge.afterWrite(site, inFlight);
  }

  async entries(low: LogIndex, high: LogIndex, maxBytes: number): Promise<Entry[]> {
    const { model, inFlight } = this.#site;
    const before = Array.from({ length: high - low }, (_, i) => model.term(low + i));
    const entries = await this.#inner.entries(low, high, maxBytes);
    for (const [i, entry] of entries.entries()) {
      const { index, term } = entry;
      const known = this.#judge.book.find(index, term);
      // Beside a write it may find either.
      const written = inFlight?.batch.entries?.some((one) => one.index === index && one.term === term);
      const held = before[i] === term || this.#site.model.term(index) === term || written === true;
      if (index === low + i && held && known?.digest === entryDigest(entry)) continue;
      this.#judge.complain(
        'I11 RestartFidelity',
        `the store of node ${this.#site.id} gives at ${low + i} an entry (${index}, term ${term}) that is not in its log`,
      );
    }
    return entries;
  }

  async compactTo(index: LogIndex): Promise<void> {
    const site = this.#site;
    if (index > this.#judge.committedTop) {
      this.#judge.complain('I9 Ordering', `node ${site.id} compacts to ${index}, which is not committed`);
    }
    site.compacting = Math.max(site.compacting ?? 0, index);
    try {
      await this.#inner.compactTo(index);
    } catch (error) {
      if (isBalsaError(error) && error.outcome === 'refused') site.compacting = undefined;
      throw error;
    }
    site.model.compactTo(index);
    site.compacting = undefined;
    site.changes++;
  }

  async createSnapshot(metadata: SnapshotMetadata): Promise<SnapshotWriter> {
    this.#judge.checkSnapshotPlace(this.#site.id, metadata);
    return this.#watch(await this.#inner.createSnapshot(metadata), metadata);
  }

  async receiveSnapshot(metadata: SnapshotMetadata, resume?: SnapshotId): Promise<SnapshotWriter> {
    return this.#watch(await this.#inner.receiveSnapshot(metadata, resume), metadata);
  }

  openSnapshot(id: SnapshotId): Promise<SnapshotReader> {
    return this.#inner.openSnapshot(id);
  }

  listSnapshots(): Promise<StoredSnapshot[]> {
    return this.#inner.listSnapshots();
  }

  pruneSnapshots(keep: number): Promise<void> {
    return this.#inner.pruneSnapshots(keep);
  }

  maintain(): Promise<boolean> {
    return this.#inner.maintain();
  }

  async stats(): Promise<StorageStats> {
    const site = this.#site;
    const before = site.settled;
    const stats = await this.#inner.stats();
    // What came and went meanwhile may lie on either side of the answer.
    if (before === undefined || before !== site.settled) return stats;
    const { first, last } = site.model;
    if (stats.entryCount !== last - first + 1) {
      this.#judge.complain(
        'I11 RestartFidelity',
        `the store of node ${site.id} has ${stats.entryCount} entries; it was given ${first} to ${last}`,
      );
    }
    return stats;
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#inner.close();
  }

  #watch(writer: SnapshotWriter, metadata: SnapshotMetadata): SnapshotWriter {
    this.#site.snapshots.set(writer.id, metadata);
    return writer;
  }
}
