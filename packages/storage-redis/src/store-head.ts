/** The heads of ordered stores: what they hold is written by a script, so it is text that Lua can take apart. */
import { corrupt } from './errors.ts';
import { digits, textChecksum } from './head.ts';
import { headDigits } from './scripts.ts';

export interface StoreHead {
  readonly sequence: number;
  readonly appliedIndex: number;
  /** Number of the present contents. */
  readonly generation: number;
  /** Generations below it are gone, but for the present one. */
  readonly oldest: number;
  /** The highest that was ever begun. */
  readonly newest: number;
  /** Pairs. */
  readonly count: number;
  /** Sum of the checksums of all pairs, modulo 2^32. */
  readonly digest: number;
}

export const emptyStoreHead: StoreHead = {
  sequence: 0,
  appliedIndex: 0,
  generation: 1,
  oldest: 2,
  newest: 1,
  count: 0,
  digest: 0,
};

/**
 * All of a head but the epoch: what this end knows, its checksum, and last the two numbers that the script
 * counts, which are checked against the pairs themselves.
 */
export function encodeStoreRest(field: string, head: StoreHead): string {
  return `${encodeStoreKnown(field, head)} ${String(head.count)} ${String(head.digest)}`;
}

/** What does not depend on the pairs. */
export function encodeStoreKnown(field: string, head: StoreHead): string {
  const { appliedIndex, generation, oldest, newest } = head;
  const text = `${digits(head.sequence)} ${[appliedIndex, generation, oldest, newest].map(String).join(' ')}`;
  return `${text} ${textChecksum(field, text)}`;
}

export function emptyStoreRest(field: string): string {
  return encodeStoreRest(field, emptyStoreHead);
}

const pattern = /^([0-9]{16} ([0-9]+) ([0-9]+) ([0-9]+) ([0-9]+)) ([0-9a-f]{8}) ([0-9]+) ([0-9]+)$/;

/** `STORE_CORRUPT` unless it is what was written for that store. */
export function parseStoreHead(field: string, text: string, what: string): StoreHead {
  const match = pattern.exec(text);
  const [, known = '', applied, generation, oldest, newest, checksum, count, digest] = match ?? [];
  if (match === null || textChecksum(field, known) !== checksum) {
    throw corrupt(`the head of ${what} does not match its checksum`, { field });
  }
  return {
    sequence: Number(known.slice(0, headDigits)),
    appliedIndex: Number(applied),
    generation: Number(generation),
    oldest: Number(oldest),
    newest: Number(newest),
    count: Number(count),
    digest: Number(digest),
  };
}
