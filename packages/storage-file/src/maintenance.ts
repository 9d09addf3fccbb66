/**
 * Giving space back. A segment goes when nothing refers to it, oldest first; what is alive in the oldest
 * is written again at the end of the log when there is more garbage than data.
 */
import type { LogIndex } from '@balsa/raft-core';
import { mapIo } from '@balsa/storage-kit';
import type { Builder } from './bytes.ts';
import { addMove, decodeEntry, encodedEntryBytes } from './format.ts';
import type { GroupLog } from './group-log.ts';
import type { Location, Usage } from './locations.ts';
import type { LogWriter, PreparedJob } from './log-writer.ts';
import type { Segments } from './segments.ts';

/** Bytes of entries moved, and files removed, in one slice. */
const moveBytes = 1024 * 1024;
const removeFiles = 16;
/** Segments that are not worth merging. */
const fewSegments = 16;

export interface MaintenanceOptions {
  readonly writer: LogWriter;
  readonly segments: Segments;
  readonly usage: Usage;
  readonly groups: ReadonlyMap<string, GroupLog>;
  readonly segmentBytes: number;
}

interface Candidate {
  readonly index: LogIndex;
  readonly location: Location;
}

export class Maintenance {
  readonly #options: MaintenanceOptions;
  #running: Promise<boolean> | undefined;

  constructor(options: MaintenanceOptions) {
    this.#options = options;
  }

  /** Does one slice, shared by all who ask meanwhile. True when more is left. */
  slice(): Promise<boolean> {
    this.#running ??= this.#slice().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  get garbageBytes(): number {
    const { segments, usage } = this.#options;
    return Math.max(0, segments.bytes - usage.liveBytes - segments.stateBytes);
  }

  async #slice(): Promise<boolean> {
    const { segments, writer } = this.#options;
    writer.check();
    await writer.assertOwner();
    const dead = this.#dead();
    if (dead.length > 0) {
      await segments.remove(dead.slice(0, removeFiles));
      return dead.length > removeFiles || this.#isWasteful();
    }
    if (!this.#isWasteful()) return false;
    const [oldest] = segments.sealed();
    if (oldest === undefined) await writer.rotate();
    else await this.#moveFrom(oldest);
    return true;
  }

  /** The oldest segments that nothing refers to. One behind a living one has to wait: the chain has no gaps. */
  #dead(): number[] {
    const { segments, usage } = this.#options;
    const sealed = segments.sealed();
    const living = sealed.findIndex((number) => usage.of(number) > 0);
    return living < 0 ? sealed : sealed.slice(0, living);
  }

  #isWasteful(): boolean {
    const { segments, usage, segmentBytes } = this.#options;
    const tolerated = Math.max(usage.liveBytes, Math.min(segmentBytes, 1024 * 1024), segments.stateBytes);
    const needed = Math.ceil(usage.liveBytes / segmentBytes);
    // Every opening begins a segment: small ones add up.
    return this.garbageBytes > tolerated || segments.sealed().length > fewSegments + 2 * needed;
  }

  async #moveFrom(segment: number): Promise<void> {
    let left = moveBytes;
    for (const group of this.#options.groups.values()) {
      const candidates: Candidate[] = [];
      const { firstIndex, lastIndex } = group.state.outline;
      for (let index = firstIndex; index <= lastIndex && left > 0; index++) {
        const location = group.locations.get(index);
        if (location.segment !== segment) continue;
        candidates.push({ index, location });
        left -= location.length;
      }
      if (candidates.length > 0) await this.#move(group, segment, candidates);
      if (left <= 0) return;
    }
  }

  async #move(group: GroupLog, segment: number, candidates: readonly Candidate[]): Promise<void> {
    const { segments, writer } = this.#options;
    const bytes = new Map<LogIndex, Uint8Array>();
    const handle = await segments.acquire(segment);
    try {
      for (const { index, location } of candidates) {
        const buffer = new Uint8Array(location.length);
        const count = await mapIo('read', `segment ${String(segment)}`, () =>
          handle.read(buffer, location.offset),
        );
        bytes.set(index, buffer.subarray(0, count));
      }
    } finally {
      segments.release(segment);
    }
    const prepare = (): PreparedJob | undefined => {
      // Entries may have been truncated, compacted or replaced since they were read.
      const still = candidates.filter(({ index, location }) => isStill(group, index, location));
      if (still.length === 0 || this.#options.groups.get(group.id) !== group) return undefined;
      const entries = still.map(({ index }) =>
        decodeEntry(bytes.get(index) ?? new Uint8Array(0), index, group.id, group.checksum),
      );
      let first = 0;
      return {
        encode: (body: Builder) => {
          first = addMove(body, group.id, entries, group.checksum);
        },
        done: (to, offset) => {
          let at = offset + first;
          for (const entry of entries) {
            const length = encodedEntryBytes(entry);
            group.locations.move(entry.index, to, at, length);
            at += length;
          }
        },
        syncWatermark: false,
      };
    };
    // A frame of its own group's writes and this one must not be prepared side by side.
    await writer.submit({ owner: group, prepare });
  }
}

function isStill(group: GroupLog, index: LogIndex, location: Location): boolean {
  const { firstIndex, lastIndex } = group.state.outline;
  if (index < firstIndex || index > lastIndex) return false;
  const now = group.locations.get(index);
  return now.segment === location.segment && now.offset === location.offset;
}
