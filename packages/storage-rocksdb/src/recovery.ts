/** What a group is found to be when it is opened: its outline from a scan of its entries, every one checked. */
import { Outline, entryChecksum, type Entry, type Env, type OutlineData } from '@balsa/raft-core';
import { LogState, crc32, yieldTo } from '@balsa/storage-kit';
import { decodeEntry, follows } from './entries.ts';
import { corrupt } from './errors.ts';
import { indexOf, logKey, wholeRange } from './keys.ts';
import type { LogDatabase } from './log-database.ts';
import type { GroupRecord, Mark } from './records.ts';

/** Looked at before the event loop gets its turn. */
const rowsPerSlice = 2048;
const bytesPerSlice = 1024 * 1024;

/** `STORE_CORRUPT` when entries are missing, damaged, out of place, of another time, or more than were acknowledged. */
export async function recoverGroup(log: LogDatabase, record: GroupRecord, env: Env): Promise<LogState> {
  const outline = await scan(log, record, env);
  const { name, commit, term, vote, confIndex, conf, pending } = record;
  if (commit > outline.lastIndex) {
    throw corrupt(`group ${JSON.stringify(name)}: commit ${String(commit)} lies beyond the last entry`, {
      groupId: name,
    });
  }
  return new LogState({
    hardState: { term, vote, commit },
    confState: { index: confIndex, state: conf },
    pendingRestore: pending ?? undefined,
    outline,
  });
}

async function scan(log: LogDatabase, record: GroupRecord, env: Env): Promise<OutlineData> {
  const { name, boundaryIndex, boundaryTerm } = record;
  const boundary = { index: boundaryIndex, term: boundaryTerm };
  const outline = new Outline({ boundary, runs: [], confIndexes: [], lastIndex: boundaryIndex });
  const fail = (index: number, what: string): never => {
    throw corrupt(`group ${JSON.stringify(name)}: entry ${String(index)} ${what}`, { groupId: name, index });
  };
  const checksum = entryChecksum(name, crc32);
  let [last, lastTerm, lastMark]: [number, number, Mark] = [boundaryIndex, boundaryTerm, record.boundary];
  const { lt } = wholeRange('log', record.log);
  const rows = log.rocks.iterate({ gte: logKey(record.log, boundaryIndex + 1), lt }, bytesPerSlice);
  try {
    for (;;) {
      const slice = rows.next(rowsPerSlice);
      const entries: Entry[] = [];
      for (const { key, value } of slice) {
        const index = indexOf(key);
        if (index !== last + 1) fail(last + 1, 'is missing');
        if (index > record.lastIndex) fail(index, `lies beyond the last one, ${String(record.lastIndex)}`);
        const found = decodeEntry(index, value, checksum);
        if (found.entry.term < lastTerm) fail(index, 'has a term below the one before it');
        if (!follows(found, lastMark)) fail(index, 'does not follow from the entry before it');
        [last, lastTerm, lastMark] = [index, found.entry.term, found.mark];
        entries.push(found.entry);
      }
      outline.append(entries);
      if (slice.length === 0) break;
      await yieldTo(env);
    }
  } finally {
    rows.close();
  }
  if (last !== record.lastIndex) fail(last + 1, `is missing; the last one is ${String(record.lastIndex)}`);
  if (lastMark.chain !== record.last.chain) fail(last, 'is not the one that was written last');
  return outline.toData();
}
