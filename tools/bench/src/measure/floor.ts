/**
 * The floor: what a write and a sync of the same bytes cost on the same path, in this process and language.
 * On a growing file each sync has to write the file's new size, too; a preallocated one that was
 * written before spares that, and is the true floor.
 */
import { closeSync, fdatasyncSync, fsyncSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { BytePool, type PayloadKind } from './payload-pool.ts';
import type { Lane } from './slice.ts';

export type FloorKind = 'growing' | 'preallocated';

export const floorKinds: readonly FloorKind[] = ['growing', 'preallocated'];

export const floorLabels: Readonly<Record<FloorKind, string>> = {
  growing: 'floor: growing file',
  preallocated: 'floor: preallocated file',
};

export interface FloorOptions {
  readonly kind: FloorKind;
  /** Created when it is missing. */
  readonly directory: string;
  readonly payload: PayloadKind;
  /** Of the largest write. */
  readonly bytes: number;
}

/** Of the preallocated file, and what the growing one may grow to before it is begun anew between two slices. */
const preallocatedBytes = 32 * 1024 * 1024;
const growingBytes = 512 * 1024 * 1024;

export class Floor {
  readonly #kind: FloorKind;
  readonly #path: string;
  readonly #pool: BytePool;
  #fd: number;
  #at = 0;

  constructor({ kind, directory, payload, bytes }: FloorOptions) {
    mkdirSync(directory, { recursive: true });
    this.#kind = kind;
    this.#path = join(directory, `floor-${kind}`);
    this.#pool = new BytePool(payload, bytes);
    this.#fd = openSync(this.#path, 'w');
    if (kind === 'preallocated') fill(this.#fd, Math.max(preallocatedBytes, bytes));
  }

  write(bytes: number): void {
    if (this.#kind === 'preallocated' && this.#at + bytes > preallocatedBytes) this.#at = 0;
    writeSync(this.#fd, this.#pool.take(bytes), 0, bytes, this.#at);
    fdatasyncSync(this.#fd);
    this.#at += bytes;
  }

  /** Begins a growing file anew when it has become large. */
  renew(): void {
    if (this.#kind !== 'growing' || this.#at < growingBytes) return;
    closeSync(this.#fd);
    this.#fd = openSync(this.#path, 'w');
    this.#at = 0;
  }

  close(): void {
    closeSync(this.#fd);
    rmSync(this.#path, { force: true });
  }
}

/** Page by page: of what is written in large pieces, the kernel counts a whole piece dirty for every byte. */
function fill(fd: number, size: number): void {
  const page = Buffer.alloc(4096, 1);
  for (let at = 0; at < size; at += page.length) writeSync(fd, page, 0, Math.min(page.length, size - at), at);
  fsyncSync(fd);
}

/** A lane that writes `bytes` each time, which are worth so many entries. */
export function floorLane(options: FloorOptions & { readonly entries: number }): Lane {
  const floor = new Floor(options);
  return {
    streams: 1,
    unitsPerOperation: options.entries,
    servers: [],
    operate(): undefined {
      floor.write(options.bytes);
    },
    async prepare(): Promise<void> {
      floor.renew();
    },
    async close(): Promise<void> {
      floor.close();
    },
  };
}
