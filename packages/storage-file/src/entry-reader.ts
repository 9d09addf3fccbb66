/** Reading entries back: where they lie is looked up at once, so that what is read is one moment's log. */
import type { Entry, LogIndex } from '@balsa/raft-core';
import { mapIo } from '@balsa/storage-kit';
import { damagedEntry, decodeEntry, sizeOfEncoded } from './format.ts';
import type { GroupLog } from './group-log.ts';
import type { Location } from './locations.ts';
import type { Segments } from './segments.ts';

/** Bytes of one read, unless a single entry is larger. */
const extentBytes = 1024 * 1024;
/** Bytes of other things between two entries that are read along rather than skipped. */
const gapBytes = 4096;

/** Entries that one read of the file gives. */
interface Extent {
  readonly segment: number;
  readonly offset: number;
  length: number;
  readonly entries: { readonly index: LogIndex; readonly location: Location }[];
}

/**
 * Segments are only ever added to and removed whole, and a file that is being read is not closed. So the
 * places looked up here stay right, whatever is written or compacted meanwhile.
 */
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
      const { segment, offset, length } = location;
      extents.push({ segment, offset, length, entries: [{ index, location }] });
    }
  }
  return extents;
}

/** `[low, high)`, already checked against the log, cut by size. */
export async function readEntries(
  segments: Segments,
  group: GroupLog,
  low: LogIndex,
  high: LogIndex,
  maxBytes: number,
): Promise<Entry[]> {
  const extents = plan(group, low, high, maxBytes);
  const pinned = new Set(extents.map((extent) => extent.segment));
  // All of them before the first is read: a segment may be removed at any moment after this one.
  const handles = new Map([...pinned].map((segment) => [segment, segments.acquire(segment)]));
  try {
    await Promise.all(handles.values());
    const entries: Entry[] = [];
    for (const extent of extents) {
      const handle = await handles.get(extent.segment);
      const bytes = new Uint8Array(extent.length);
      const count =
        (await mapIo('read', `segment ${String(extent.segment)}`, async () =>
          handle?.read(bytes, extent.offset),
        )) ?? 0;
      for (const { index, location } of extent.entries) {
        const at = location.offset - extent.offset;
        if (at + location.length > count) throw damagedEntry(index, group.id);
        entries.push(decodeEntry(bytes.subarray(at, at + location.length), index, group.id, group.checksum));
      }
    }
    return entries;
  } finally {
    await Promise.allSettled(handles.values());
    for (const segment of handles.keys()) segments.release(segment);
  }
}
