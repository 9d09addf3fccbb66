/** Reads what the shim recorded. Layout: `struct record` of shim.c, then the path and the data. */
import { readFileSync } from 'node:fs';

export type TraceOperation =
  | {
      readonly op: 'open';
      readonly handle: number;
      readonly path: string;
      readonly created: boolean;
      readonly truncated: boolean;
      readonly directory: boolean;
    }
  | {
      readonly op: 'write';
      readonly handle: number;
      readonly offset: number;
      readonly data: Buffer;
      /** Through a descriptor opened with O_SYNC or O_DSYNC: durable when the call returned. */
      readonly synchronous: boolean;
    }
  | { readonly op: 'truncate'; readonly handle: number; readonly size: number }
  | {
      readonly op: 'allocate';
      readonly handle: number;
      readonly offset: number;
      readonly length: number;
      readonly mode: number;
    }
  | { readonly op: 'sync' | 'sync-failed'; readonly handle: number; readonly path: string }
  | { readonly op: 'sync-all' }
  | { readonly op: 'rename' | 'link'; readonly path: string; readonly to: string }
  | { readonly op: 'unlink' | 'mkdir' | 'rmdir'; readonly path: string }
  | { readonly op: 'mark'; readonly text: string }
  | { readonly op: 'unseen'; readonly path: string; readonly reason: 'mapping' | 'stdio' | 'special' };

const headBytes = 32;
const flagCreated = 1;
const flagTruncated = 2;
const flagDirectory = 4;
const flagSynchronous = 8;
const reasons = { 1: 'mapping', 2: 'stdio' } as const;

/** The operations in order. A last record that a kill cut short is left out. */
export function readTrace(path: string): TraceOperation[] {
  const bytes = readFileSync(path);
  const operations: TraceOperation[] = [];
  for (let at = 0; at + headBytes <= bytes.length;) {
    const pathLength = bytes.readUInt16LE(at + 2);
    const length = bytes.readUInt32LE(at + 28);
    const end = at + headBytes + pathLength + length;
    if (end > bytes.length) break;
    const names = bytes.toString('utf8', at + headBytes, at + headBytes + pathLength);
    operations.push(decode(bytes, at, names, bytes.subarray(end - length, end)));
    at = end;
  }
  return operations;
}

function decode(bytes: Buffer, at: number, names: string, data: Buffer): TraceOperation {
  const code = bytes.readUInt8(at);
  const flags = bytes.readUInt8(at + 1);
  const handle = bytes.readInt32LE(at + 4);
  const a = Number(bytes.readBigInt64LE(at + 8));
  const b = Number(bytes.readBigInt64LE(at + 16));
  const [path = '', to = ''] = names.split('\0');
  switch (code) {
    case 1: {
      const has = (flag: number): boolean => (flags & flag) !== 0;
      return {
        op: 'open',
        handle,
        path,
        created: has(flagCreated),
        truncated: has(flagTruncated),
        directory: has(flagDirectory),
      };
    }
    case 2:
      return { op: 'write', handle, offset: a, data, synchronous: (flags & flagSynchronous) !== 0 };
    case 3:
      return { op: 'truncate', handle, size: a };
    case 4:
      return { op: 'sync', handle, path };
    case 5:
      return { op: 'rename', path, to };
    case 6:
      return { op: 'unlink', path };
    case 7:
      return { op: 'link', path, to };
    case 8:
      return { op: 'mkdir', path };
    case 9:
      return { op: 'rmdir', path };
    case 10:
      return { op: 'mark', text: data.toString('utf8') };
    case 11:
      return { op: 'unseen', path, reason: a === 1 ? reasons[1] : a === 2 ? reasons[2] : 'special' };
    case 12:
      return { op: 'sync-all' };
    case 13:
      return { op: 'allocate', handle, offset: a, length: b, mode: flags };
    case 14:
      return { op: 'sync-failed', handle, path };
    default:
      throw new Error(
        `the trace of the shim has a record of kind ${String(code)}: it is not one of this version`,
      );
  }
}
