/** A file of a chain as it is found: its size and what its header says. */
import { BalsaError } from '@balsa/raft-core';
import { mapIo, type FileHandle, type FileSystem } from '@balsa/storage-kit';
import { decodeHeader, headerBytes, type ChainEnd, type FileHeader } from './frame-format.ts';

/** What the first file of a chain follows from. */
export const beginning: ChainEnd = { offset: 0, crc: 0, sequence: 0 };

export interface FoundFile {
  readonly number: number;
  readonly path: string;
  readonly size: number;
  /** Undefined when it is not intact. */
  readonly header: FileHeader | undefined;
  /** Checksum of the header; 0 without one. */
  readonly seed: number;
}

/** Reads a file's header. `STORE_FORMAT_VERSION` when it is intact and of another format. */
export async function lookAt(fs: FileSystem, path: string, number: number): Promise<FoundFile> {
  return withFile(fs, path, async (handle) => {
    const size = await mapIo('look at', path, () => handle.size());
    const bytes = new Uint8Array(headerBytes);
    const count = await mapIo('read', path, () => handle.read(bytes, 0));
    const decoded = decodeHeader(bytes.subarray(0, count));
    if (decoded !== undefined && 'version' in decoded) {
      throw new BalsaError(
        'STORE_FORMAT_VERSION',
        `${path} has format ${String(decoded.version)}, which this version does not read`,
        { details: { path, version: decoded.version } },
      );
    }
    return { number, path, size, header: decoded?.header, seed: decoded?.crc ?? 0 };
  });
}

/** Runs with the file open for reading. */
export async function withFile<T>(
  fs: FileSystem,
  path: string,
  run: (handle: FileHandle) => Promise<T>,
): Promise<T> {
  const handle = await mapIo('open', path, () => fs.open(path, 'read'));
  try {
    return await run(handle);
  } finally {
    await handle.close();
  }
}
