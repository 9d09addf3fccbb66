/** The heads of groups: who owns it, what was written last, and where the log lies. */
import { crc32 } from '@balsa/storage-kit';
import { corrupt } from './errors.ts';
import { headDigits } from './scripts.ts';

export interface GroupHead {
  /** Of the engine's last write into this group. 0 when there was none. */
  readonly sequence: number;
  /** Number of the first and the last segment; the last is 0 when there is none. */
  readonly firstSegment: number;
  readonly lastSegment: number;
  /** Of the last segment. */
  readonly bytes: number;
  /** Where, in the last segment, the last write begins. */
  readonly lastOffset: number;
  /** Checksum of the last record, from which the next one's goes on. */
  readonly chain: number;
}

export const emptyGroupHead: GroupHead = {
  sequence: 0,
  firstSegment: 1,
  lastSegment: 0,
  bytes: 0,
  lastOffset: 0,
  chain: 0,
};

/** What the server has to hold of a part that is open. */
export interface ExpectedHead {
  readonly key: string;
  readonly text: string;
}

/** Fixed width, so that they compare as they are. */
export function digits(value: number): string {
  return String(value).padStart(headDigits, '0');
}

export function hex(value: number): string {
  return value.toString(16).padStart(8, '0');
}

/** Most texts fit in. */
const scratch = Buffer.allocUnsafeSlow(1024);

/** CRC-32 of a text and its length, going on from that of the text before it. */
export function textCrc(text: string, before = 0): number {
  const whole = `${String(text.length)}:${text}`;
  if (whole.length * 2 > scratch.length) return crc32(Buffer.from(whole, 'utf16le'), before);
  return crc32(scratch.subarray(0, scratch.write(whole, 'utf16le')), before);
}

/** CRC-32 of texts, as eight hexadecimal digits. */
export function textChecksum(...parts: readonly string[]): string {
  return hex(parts.reduce((value, part) => textCrc(part, value), 0));
}

/** All of a head but the epoch. `fieldCrc` is `textCrc` of the group's field. */
export function encodeGroupHead(fieldCrc: number, head: GroupHead): string {
  const { firstSegment, lastSegment, bytes, lastOffset, chain } = head;
  const place = `${String(firstSegment)} ${String(lastSegment)} ${String(bytes)} ${String(lastOffset)}`;
  const text = `${digits(head.sequence)} ${place} ${hex(chain)}`;
  return `${text} ${hex(textCrc(text, fieldCrc))}`;
}

const headPattern = /^([0-9]{16} ([0-9]+) ([0-9]+) ([0-9]+) ([0-9]+) ([0-9a-f]{8})) ([0-9a-f]{8})$/;

/** `STORE_CORRUPT` unless it is what was written for that group. */
export function parseGroupHead(field: string, text: string, what: string): GroupHead {
  const match = headPattern.exec(text);
  const [, body = '', first, last, bytes, lastOffset, chain = '', checksum] = match ?? [];
  if (match === null || textChecksum(field, body) !== checksum) {
    throw corrupt(`the head of ${what} does not match its checksum`, { field });
  }
  return {
    sequence: Number(body.slice(0, headDigits)),
    firstSegment: Number(first),
    lastSegment: Number(last),
    bytes: Number(bytes),
    lastOffset: Number(lastOffset),
    chain: Number.parseInt(chain, 16),
  };
}

/** Epoch and the rest of a head; undefined when it does not begin with an epoch. */
export function splitHead(text: string): { readonly epoch: number; readonly rest: string } | undefined {
  const epoch = text.slice(0, headDigits);
  if (!/^[0-9]{16}$/.test(epoch)) return undefined;
  return { epoch: Number(epoch), rest: text.slice(headDigits) };
}
