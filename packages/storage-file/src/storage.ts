/** One group's log on files, behind the kit's `GroupStorage`. */
import { type Entry, type Env, type LogIndex, type Storage, type WriteBatch } from '@balsa/raft-core';
import {
  GroupStorage,
  openSnapshotFiles,
  type FindSnapshot,
  type GroupCore,
  type GroupSnapshots,
  type LogState,
  type LogStats,
  type SnapshotDirectory,
} from '@balsa/storage-kit';
import { readEntries } from './entry-reader.ts';
import { addCompact, addWrite } from './format.ts';
import type { GroupLog } from './group-log.ts';
import type { LogWriter, PreparedJob } from './log-writer.ts';
import type { Maintenance } from './maintenance.ts';
import type { Segments } from './segments.ts';

export interface FileGroupOptions {
  readonly group: GroupLog;
  readonly env: Env;
  readonly maxEntryBytes: number;
  readonly writer: LogWriter;
  readonly segments: Segments;
  readonly maintenance: Maintenance;
  readonly snapshots: SnapshotDirectory;
  /** Whether anything of the group is in the log. */
  readonly isKnown: () => boolean;
  /** Something of the group is in the log now. */
  readonly onStored: () => void;
  readonly onClose: () => void;
}

export function fileStorage(options: FileGroupOptions): Storage {
  return new GroupStorage({
    ...options,
    groupId: options.group.id,
    check: () => {
      options.writer.check();
    },
    recover: async () => new FileGroup(options),
  });
}

class FileGroup implements GroupCore {
  readonly #options: FileGroupOptions;

  constructor(options: FileGroupOptions) {
    this.#options = options;
  }

  get state(): LogState {
    return this.#options.group.state;
  }

  openSnapshots(): Promise<GroupSnapshots> {
    const { group, env, snapshots } = this.#options;
    const place = { groupId: group.id, env, snapshots };
    return openSnapshotFiles(place, this.state, () => this.#ensureStored());
  }

  write(batch: WriteBatch, find: FindSnapshot): Promise<void> {
    return this.#submit(() => this.#prepareWrite(batch, find));
  }

  read(low: LogIndex, high: LogIndex, maxBytes: number): Promise<Entry[]> {
    const { segments, group } = this.#options;
    return readEntries(segments, group, low, high, maxBytes);
  }

  async compact(index: LogIndex): Promise<void> {
    const { group } = this.#options;
    await this.#submit(() => {
      const boundary = group.state.planCompaction(index);
      if (boundary === undefined) return undefined;
      return {
        encode: (body) => {
          addCompact(body, group.id, boundary);
        },
        done: () => {
          group.compacted(boundary);
        },
        syncWatermark: false,
      };
    });
  }

  maintain(): Promise<boolean> {
    return this.#options.maintenance.slice();
  }

  async stats(): Promise<LogStats> {
    const { segments, maintenance, writer } = this.#options;
    return {
      logBytes: segments.bytes,
      garbageBytes: maintenance.garbageBytes,
      lastSyncMs: writer.lastSyncMs,
    };
  }

  /** A group that has a snapshot holds data, also when nothing was ever written to its log. */
  async #ensureStored(): Promise<void> {
    const { isKnown } = this.#options;
    if (isKnown()) return;
    await this.#submit(() => (isKnown() ? undefined : this.#prepareWrite({}, () => undefined)));
  }

  #prepareWrite(batch: WriteBatch, find: FindSnapshot): PreparedJob {
    const { group, maxEntryBytes, onStored } = this.#options;
    const plan = group.state.plan(batch, maxEntryBytes, find);
    const confChanged = plan.confState !== group.state.confState;
    let first = 0;
    return {
      encode: (body) => {
        first = addWrite(body, group.id, plan, confChanged, group.checksum);
      },
      done: (segment, offset) => {
        group.applied(plan, segment, offset + first);
        onStored();
      },
      syncWatermark: plan.changesTermOrVote,
    };
  }

  #submit(prepare: () => PreparedJob | undefined): Promise<void> {
    return this.#options.writer.submit({ owner: this.#options.group, prepare });
  }
}
