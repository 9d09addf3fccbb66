/** Reading entries back: where they lie is looked up at once, so that what is read is one moment's log. */
import type { Entry, LogIndex } from '@balsa/raft-core';
import { damagedEntry, decodeEntry, sizeOfEncoded } from './format.ts';
import type { GroupLog } from './group-log.ts';
import type { Location } from './locations.ts';
import type { ReadRange } from './recovery.ts';

/** Bytes of one read, unless a single entry is larger. */
const extentBytes = 512 * 1024;
/** Bytes of other things between two entries that are read along rather than skipped. */
const gapBytes = 4096;
/** Reads under way at once. */
const readsAtOnce = 4;

/** Entries that one read gives. */
interface Extent {
  readonly segment: number;
  readonly offset: number;
  length: number;
  readonly entries: { readonly index: LogIndex; readonly location: Location }[];
}

function plan(group: GroupLog, low: LogIndex, high: LogIndex, maxBytes: number): Extent[] {
  const extents: Extent[] = [];
  let size = 0;
  for (let index = low; index < high; index++) {
    const location = group.locations.get(index);
    size += sizeOfEncoded(location.length);
    if (index > low && size > maxBytes) break;
    const last = extents.at(-1);
    const end = location.offset + location.length;
    if (
      last?.segment === location.segment &&
      location.offset >= last.offset + last.length &&
      location.offset - last.offset - last.length <= gapBytes &&
      end - last.offset <= extentBytes
    ) {
      last.length = end - last.offset;
      last.entries.push({ index, location });
    } else {
      extents.push({ ...location, entries: [{ index, location }] });
    }
  }
  return extents;
}

/** `[low, high)`, already checked against the log, cut by size. Segments that are read from stay until it resolves. */
export async function readEntries(
  read: ReadRange,
  group: GroupLog,
  low: LogIndex,
  high: LogIndex,
  maxBytes: number,
): Promise<Entry[]> {
  const extents = plan(group, low, high, maxBytes);
  const unpin = group.pin(Math.min(...extents.map((extent) => extent.segment)));
  try {
    const entries: Entry[] = [];
    for (let from = 0; from < extents.length; from += readsAtOnce) {
      const some = extents.slice(from, from + readsAtOnce);
      const found = await Promise.all(
        some.map(({ segment, offset, length }) => read(group.keys.segment(segment), offset, length)),
      );
      for (const [i, extent] of some.entries()) addEntries(entries, group, extent, found[i]);
    }
    return entries;
  } finally {
    unpin();
  }
}

function addEntries(entries: Entry[], group: GroupLog, extent: Extent, bytes: Uint8Array | undefined): void {
  for (const { index, location } of extent.entries) {
    const at = location.offset - extent.offset;
    if (bytes === undefined || at + location.length > bytes.length) throw damagedEntry(index, group.id);
    entries.push(decodeEntry(bytes.subarray(at, at + location.length), index, group.id, group.checksum));
  }
}
