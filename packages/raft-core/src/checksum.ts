/** CRC-32 (IEEE 802.3, as in zlib), and what a store's checksums cover. */
import type { Entry } from './types.ts';

/** Continues a CRC-32 over `bytes`; starts at 0. `zlib.crc32` has this shape and is far faster where there is Node. */
export type Crc32 = (bytes: Uint8Array, value?: number) => number;

const table = new Uint32Array(256);
for (let n = 0; n < 256; n++) {
  let c = n;
  for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  table[n] = c >>> 0;
}

/** Plain code, for places without Node. */
export const crc32: Crc32 = (bytes, value = 0) => {
  let crc = ~value >>> 0;
  for (const byte of bytes) crc = (crc >>> 8) ^ (table[(crc ^ byte) & 0xff] ?? 0);
  return ~crc >>> 0;
};

const headBytes = 32;

/**
 * Makes the function that checks one group's entries. It covers the group, index, term, type, context
 * and data, so that an entry in the wrong place, or of another group, does not pass.
 */
export function entryChecksum(group: string, crc: Crc32 = crc32): (entry: Entry) => number {
  const seed = crc(codeUnits(group));
  const head = new Uint8Array(headBytes);
  const view = new DataView(head.buffer);
  return (entry) => {
    writeSafeInteger(view, 0, entry.index);
    writeSafeInteger(view, 8, entry.term);
    view.setUint32(16, entry.type);
    view.setUint32(20, entry.context.length);
    view.setUint32(24, entry.data.length);
    let value = crc(head, seed);
    if (entry.context.length > 0) value = crc(entry.context, value);
    if (entry.data.length > 0) value = crc(entry.data, value);
    return value;
  };
}

/** A string as two bytes per UTF-16 unit, so that any two different strings differ. */
function codeUnits(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length * 2);
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    bytes[2 * i] = unit >>> 8;
    bytes[2 * i + 1] = unit;
  }
  return bytes;
}

/** A safe integer as 8 big-endian bytes, without BigInt. */
export function writeSafeInteger(view: DataView, offset: number, value: number): void {
  view.setUint32(offset, Math.floor(value / 0x1_0000_0000));
  view.setUint32(offset + 4, value >>> 0);
}

/** The inverse of `writeSafeInteger`; the caller checks that the result is a safe integer where the bytes are not trusted. */
export function readSafeInteger(view: DataView, offset: number): number {
  return view.getUint32(offset) * 0x1_0000_0000 + view.getUint32(offset + 4);
}
