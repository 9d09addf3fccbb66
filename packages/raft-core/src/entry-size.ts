/** The one rule for the size of an entry, used by paging in the core and in every store, so that all cut at the same place. */
import { dataLength } from './received-entry.ts';
import type { Entry } from './types.ts';

/** Fixed part of an entry's size, in bytes: what index, term, type and lengths are counted as. */
export const entryOverheadBytes = 24;

/** Size of one entry in bytes, as every `maxBytes` counts it. */
export function entrySize(entry: Entry): number {
  return entryOverheadBytes + dataLength(entry) + entry.context.length;
}

/** The longest prefix whose sizes sum to at most `maxBytes`, but at least one entry. Does not copy when nothing is cut. */
export function limitSize(entries: readonly Entry[], maxBytes: number): readonly Entry[] {
  let total = 0;
  for (let i = 0; i < entries.length; i++) {
    const entry = entries[i];
    if (entry === undefined) break;
    total += entrySize(entry);
    if (i > 0 && total > maxBytes) return entries.slice(0, i);
  }
  return entries;
}
