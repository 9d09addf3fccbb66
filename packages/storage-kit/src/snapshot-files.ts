/**
 * The snapshots of all groups of one engine, as files in one directory.
 *
 * A name is made of a hash of the group id and of the snapshot's id, both of the store's making, so
 * that no group id can escape or collide. Files of other names are not ours and stay untouched.
 */
import { createHash } from 'node:crypto';
import {
  BalsaError,
  assertSafeInteger,
  isBalsaError,
  type LogIndex,
  type SnapshotId,
  type SnapshotMetadata,
  type SnapshotReader,
  type StoredSnapshot,
} from '@balsa/raft-core';
import { makeDirectoryDurably, mapIo, removeDurably } from './durable.ts';
import type { FileSystem } from './file-system.ts';
import type { GroupSnapshots } from './group-snapshots.ts';
import { FileSnapshotSink } from './snapshot-file-sink.ts';
import { snapshotCorrupt } from './snapshot-format.ts';
import { assertBegunWith, copyMetadata, newSnapshotId } from './snapshot-metadata.ts';
import { FileSnapshotReader, readEnds } from './snapshot-reader.ts';
import { SinkSnapshotWriter } from './snapshot-writer.ts';

const namePattern = /^([0-9a-f]{32})\.([0-9]+-[0-9]+-[0-9]+-[0-9a-f]{8})\.snap(\.tmp)?$/;

/** A group id as 32 hexadecimal digits, the same for the same UTF-16 units and only for them. */
export function groupHash(group: string): string {
  return createHash('sha256').update(Buffer.from(group, 'utf16le')).digest('hex').slice(0, 32);
}

export interface SnapshotDirectoryOptions {
  readonly fs: FileSystem;
  readonly path: string;
  /** Uniform in [0, 1); keeps ids apart from those of removed snapshots. */
  readonly random: () => number;
}

export class SnapshotDirectory {
  readonly #options: SnapshotDirectoryOptions;
  readonly #names: Map<string, string[]>;

  private constructor(options: SnapshotDirectoryOptions, names: Map<string, string[]>) {
    this.#options = options;
    this.#names = names;
  }

  /**
   * Creates the directory where it is missing, and removes what a crash left: temporaries, and
   * snapshots of groups that `isKnown` denies (a destruction that was cut short).
   */
  static async open(
    options: SnapshotDirectoryOptions,
    isKnown?: (hash: string) => boolean,
  ): Promise<SnapshotDirectory> {
    const { fs, path } = options;
    await makeDirectoryDurably(fs, path);
    const names = new Map<string, string[]>();
    const leftovers: string[] = [];
    for (const name of await mapIo('list', path, () => fs.list(path))) {
      const match = namePattern.exec(name);
      const hash = match?.[1];
      if (match === null || hash === undefined) continue;
      if (match[3] !== undefined || isKnown?.(hash) === false) leftovers.push(name);
      else names.set(hash, [...(names.get(hash) ?? []), name]);
    }
    await removeDurably(fs, path, leftovers);
    return new SnapshotDirectory(options, names);
  }

  /** The snapshots of one group. `beforeCommit` runs before a finished snapshot gets its name. */
  async group(
    group: string,
    beforeCommit: () => Promise<void> = () => Promise.resolve(),
  ): Promise<SnapshotFiles> {
    const hash = groupHash(group);
    const closed = (names: string[]): void => {
      this.#names.set(hash, names);
    };
    const options = { ...this.#options, group, hash, beforeCommit, closed };
    return SnapshotFiles.open(options, this.#names.get(hash) ?? []);
  }

  /** Forgets and removes all files of a group, durably. */
  async destroyGroup(group: string): Promise<void> {
    const { fs, path } = this.#options;
    const prefix = `${groupHash(group)}.`;
    const all = await mapIo('list', path, () => fs.list(path));
    await removeDurably(
      fs,
      path,
      all.filter((name) => name.startsWith(prefix) && namePattern.test(name)),
    );
    this.#names.delete(groupHash(group));
  }
}

interface GroupOptions extends SnapshotDirectoryOptions {
  readonly group: string;
  readonly hash: string;
  readonly beforeCommit: () => Promise<void>;
  /** Called once closed, with what the next `group` call is to find. */
  readonly closed: (names: string[]) => void;
}

interface Kept {
  readonly stored: StoredSnapshot;
  readonly ordinal: number;
  readonly name: string;
}

export interface DamagedSnapshot {
  readonly name: string;
  /** As the file's name says. */
  readonly index: LogIndex;
  readonly error: unknown;
}

/** One group's snapshots. */
export class SnapshotFiles implements GroupSnapshots {
  readonly group: string;
  readonly #options: GroupOptions;
  readonly #kept = new Map<SnapshotId, Kept>();
  readonly #writers = new Map<SnapshotId, SinkSnapshotWriter>();
  readonly #readers = new Set<FileSnapshotReader>();
  readonly #damaged: DamagedSnapshot[] = [];
  #ordinal = 0;

  private constructor(options: GroupOptions) {
    this.group = options.group;
    this.#options = options;
  }

  static async open(options: GroupOptions, names: readonly string[]): Promise<SnapshotFiles> {
    const files = new SnapshotFiles(options);
    for (const name of names) await files.#load(name);
    return files;
  }

  /** Newest (highest index, then latest) first. */
  list(): StoredSnapshot[] {
    return this.#sorted().map((kept) => kept.stored);
  }

  get(id: SnapshotId): StoredSnapshot | undefined {
    return this.#kept.get(id)?.stored;
  }

  /** Files whose header or trailer is not intact; they are neither listed nor removed by pruning. */
  damaged(): readonly DamagedSnapshot[] {
    return this.#damaged;
  }

  /** Bytes of the chunks of all stored snapshots. */
  bytes(): number {
    let sum = 0;
    for (const kept of this.#kept.values()) sum += kept.stored.bytes;
    return sum;
  }

  async create(metadata: SnapshotMetadata): Promise<SinkSnapshotWriter> {
    return this.#begin(metadata, 'created');
  }

  /** With the id of an unfinished one, that one, if it is of the same metadata. */
  async receive(metadata: SnapshotMetadata, resume?: SnapshotId): Promise<SinkSnapshotWriter> {
    if (resume === undefined) return this.#begin(metadata, 'received');
    const writer = this.#writers.get(resume);
    if (writer?.origin !== 'received') throw this.#notFound(resume, 'unfinished snapshot');
    assertBegunWith(writer, metadata);
    return writer;
  }

  async openSnapshot(id: SnapshotId): Promise<SnapshotReader> {
    const kept = this.#kept.get(id);
    if (kept === undefined) throw this.#notFound(id, 'snapshot');
    const reader = await FileSnapshotReader.open(this.#options.fs, this.#path(kept.name), () => {
      this.#readers.delete(reader);
    });
    this.#readers.add(reader);
    return reader;
  }

  /** Removes all but the newest `keep`, and never one in `pinned`. */
  async prune(keep: number, pinned: ReadonlySet<SnapshotId>): Promise<void> {
    assertSafeInteger(keep, 'keep');
    const doomed = this.#sorted()
      .slice(keep)
      .filter((kept) => !pinned.has(kept.stored.id));
    for (const kept of doomed) this.#kept.delete(kept.stored.id);
    await removeDurably(
      this.#options.fs,
      this.#options.path,
      doomed.map((kept) => kept.name),
    );
  }

  /** Aborts what is being written, closes what is being read. */
  async close(): Promise<void> {
    for (const reader of [...this.#readers]) await reader.close();
    for (const writer of [...this.#writers.values()]) await writer.abort();
    const whole = [...this.#kept.values()].map((kept) => kept.name);
    this.#options.closed([...whole, ...this.#damaged.map((damaged) => damaged.name)]);
  }

  async #begin(metadata: SnapshotMetadata, origin: 'created' | 'received'): Promise<SinkSnapshotWriter> {
    const { fs, path, group, hash, random, beforeCommit } = this.#options;
    const ordinal = ++this.#ordinal;
    const id = newSnapshotId(metadata, ordinal, random);
    const name = `${hash}.${id}.snap`;
    const header = { group, id, ordinal, origin, metadata: copyMetadata(metadata) };
    const sink = await FileSnapshotSink.begin({
      fs,
      directory: path,
      name,
      header,
      beforeCommit,
      committed: (stored) => this.#kept.set(id, { stored, ordinal, name }),
    });
    const writer = new SinkSnapshotWriter({ ...header, sink, ended: () => this.#writers.delete(id) });
    this.#writers.set(id, writer);
    return writer;
  }

  async #load(name: string): Promise<void> {
    const path = this.#path(name);
    const id = namePattern.exec(name)?.[2] ?? '';
    const [index = 0, , ordinal = 0] = id.split('-').map(Number);
    this.#ordinal = Math.max(this.#ordinal, ordinal);
    const handle = await mapIo('open', path, () => this.#options.fs.open(path, 'read'));
    try {
      const { header, stored } = await readEnds(handle, path);
      if (header.group !== this.group || header.id !== id) {
        throw snapshotCorrupt(path, `holds snapshot ${header.id} of group ${JSON.stringify(header.group)}`);
      }
      this.#kept.set(id, { stored, ordinal: header.ordinal, name });
    } catch (error) {
      // What cannot be read now may be whole: taking it for damaged would make it vanish unsaid.
      if (!isBalsaError(error, 'STORE_CORRUPT')) throw error;
      this.#damaged.push({ name, index, error });
    } finally {
      await handle.close();
    }
  }

  #sorted(): Kept[] {
    return [...this.#kept.values()].sort(
      (a, b) => b.stored.metadata.index - a.stored.metadata.index || b.ordinal - a.ordinal,
    );
  }

  #path(name: string): string {
    return this.#options.fs.join(this.#options.path, name);
  }

  #notFound(id: SnapshotId, what: string): BalsaError {
    return new BalsaError(
      'STORE_SNAPSHOT_NOT_FOUND',
      `group ${JSON.stringify(this.group)} has no ${what} ${id}`,
      {
        details: { id },
      },
    );
  }
}
