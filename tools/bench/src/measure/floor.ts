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

export interface FloorOptions {
  readonly kind: FloorKind;
  readonly directory: string;
  readonly payload: PayloadKind;
  /** Of one write. */
  readonly bytes: number;
  /** Entries in one write. */
  readonly entries: number;
}

/** Of the preallocated file, and what the growing one may grow to before it is begun anew between two slices. */
const preallocatedBytes = 32 * 1024 * 1024;
const growingBytes = 512 * 1024 * 1024;

export function createFloor({ kind, directory, payload, bytes, entries }: FloorOptions): Lane {
  mkdirSync(directory, { recursive: true });
  const path = join(directory, kind);
  const pool = new BytePool(payload, bytes);
  const size = Math.ceil(preallocatedBytes / bytes) * bytes;
  let fd = kind === 'growing' ? openSync(path, 'w') : preallocate(path, size);
  let at = 0;
  return {
    streams: 1,
    unitsPerOperation: entries,
    servers: [],
    operate(): undefined {
      writeSync(fd, pool.take(bytes), 0, bytes, at);
      fdatasyncSync(fd);
      at += bytes;
      if (kind === 'preallocated' && at >= size) at = 0;
    },
    async prepare(): Promise<void> {
      if (kind !== 'growing' || at < growingBytes) return;
      closeSync(fd);
      fd = openSync(path, 'w');
      at = 0;
    },
    async close(): Promise<void> {
      closeSync(fd);
      rmSync(path, { force: true });
    },
  };
}

function preallocate(path: string, size: number): number {
  const fd = openSync(path, 'w');
  // Page by page: of what is written in large pieces, the kernel counts a whole piece dirty for every byte.
  const block = Buffer.alloc(4096, 1);
  for (let at = 0; at < size; at += block.length)
    writeSync(fd, block, 0, Math.min(block.length, size - at), at);
  fsyncSync(fd);
  return fd;
}
