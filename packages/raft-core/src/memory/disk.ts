/** A disk that outlives the engines opened on it, so that restarts and crashes can be tried without one. */
import { BalsaError } from '../errors.ts';
import { newDiskData, undoOrdered, type DiskData } from './data.ts';
import type { Life } from './gate.ts';

export interface CrashOptions {
  /**
   * How many of the ordered-store writes made since the last sync survive, oldest first, in each store.
   * Default 0. What a crash leaves is always a prefix.
   */
  readonly keepUnsyncedWrites?: number;
}

/** Made by {@link createMemoryDisk}. Give it to one `openMemoryEngine` after another. */
export interface MemoryDisk {
  /** Whether an engine is open on it now. */
  readonly inUse: boolean;
  /**
   * Ends the life of the engine that is open on this disk, as a power cut would: operations that have not
   * taken effect never will, later calls reject with `STORE_CLOSED`, what was not durable is dropped, and the
   * disk is free for the next engine. Safe at any moment, also when nothing is open.
   */
  crash(options?: CrashOptions): void;
}

class Disk implements MemoryDisk {
  readonly data: DiskData = newDiskData();
  #life: Life | undefined;

  get inUse(): boolean {
    return this.#life !== undefined;
  }

  acquire(life: Life): void {
    if (this.#life !== undefined) {
      throw new BalsaError('STORE_LOCKED', 'another engine is open on this memory disk; close it first');
    }
    this.#life = life;
  }

  release(life: Life): void {
    if (this.#life === life) this.#life = undefined;
  }

  crash(options: CrashOptions = {}): void {
    if (this.#life !== undefined) this.#life.crashed = true;
    this.#life = undefined;
    for (const ordered of this.data.ordered.values()) undoOrdered(ordered, options.keepUnsyncedWrites ?? 0);
    for (const ordered of this.data.ordered.values()) ordered.undo = [];
  }
}

export function createMemoryDisk(): MemoryDisk {
  return new Disk();
}

/** The inside of a disk, for the engine. */
export function diskInside(disk: MemoryDisk): Disk {
  if (disk instanceof Disk) return disk;
  throw new BalsaError('INVALID_ARGUMENT', 'disk must come from createMemoryDisk()');
}

export type { Disk };
