/** Entries of one log, read in slices that each block the event loop for a bounded time. */
import { entryOverheadBytes, entrySize, type Entry, type Env, type LogIndex } from '@balsa/raft-core';
import { yieldTo } from '@balsa/storage-kit';
import type { RocksIterator } from './binding.ts';
import { decodeEntry } from './entries.ts';
import { corrupt, refused } from './errors.ts';
import type { GroupLog } from './group-log.ts';
import { indexOf, logKey, logRange } from './keys.ts';
import type { LogDatabase } from './log-database.ts';

/** Rows and bytes of one synchronous read. The first slice is small: most reads want few entries. */
const firstRows = 64;
const sliceRows = 1024;
const sliceBytes = 1024 * 1024;

/**
 * `[low, high)` within `maxBytes`, at least one. The iterator is a point in time and is begun at `low`:
 * nothing that was compacted is walked over, and nothing that is written meanwhile is seen.
 */
export async function readEntries(
  log: LogDatabase,
  env: Env,
  group: GroupLog,
  range: { readonly low: LogIndex; readonly high: LogIndex; readonly maxBytes: number },
): Promise<Entry[]> {
  const { low, high, maxBytes } = range;
  const { record } = group;
  if (record === undefined || low >= high) return [];
  const entries: Entry[] = [];
  const where = `group ${JSON.stringify(group.groupId)}`;
  let rows: RocksIterator | undefined;
  let left = maxBytes;
  try {
    rows = log.rocks.iterate(logRange(record.log, low, high), Math.max(1, Math.min(sliceBytes, maxBytes)));
    for (let next = low; next < high;) {
      const slice = rows.next(next === low ? Math.min(firstRows, high - low) : sliceRows);
      if (slice.length === 0) throw corrupt(`entry ${String(next)} of ${where} is missing`, { index: next });
      for (const { key, value } of slice) {
        const index = indexOf(key);
        if (index !== next) throw corrupt(`entry ${String(next)} of ${where} is missing`, { index: next });
        const { entry } = decodeEntry(index, value, group.checksum);
        left -= entrySize(entry);
        if (left < 0 && entries.length > 0) return entries;
        entries.push(entry);
        next++;
      }
      if (left < entryOverheadBytes) break;
      if (next < high) {
        await yieldTo(env);
        log.check();
      }
    }
    return entries;
  } catch (error) {
    throw locate(error, log, group, low + entries.length, high);
  } finally {
    rows?.close();
  }
}

/** RocksDB says that a block is damaged, not what it held: the entries behind the last good one are tried one by one. */
function locate(error: unknown, log: LogDatabase, group: GroupLog, from: LogIndex, high: LogIndex): Error {
  const failure = refused(error, `read entries of group ${JSON.stringify(group.groupId)}`);
  const { record } = group;
  if (failure.code !== 'STORE_CORRUPT' || 'index' in failure.details || record === undefined) return failure;
  for (let index = from; index < Math.min(high, from + sliceRows); index++) {
    try {
      log.rocks.get([logKey(record.log, index)]);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      const what = `entry ${String(index)} of group ${JSON.stringify(group.groupId)} is damaged: ${reason}`;
      return corrupt(what, { index }, cause);
    }
  }
  return failure;
}
