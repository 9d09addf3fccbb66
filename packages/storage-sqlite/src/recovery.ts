/** What a group is found to be when it is opened: its outline from a scan of the heads, everything checked. */
import { Outline, type Env, type OutlineData } from '@balsa/raft-core';
import { LogState, yieldTo } from '@balsa/storage-kit';
import { corrupt } from './errors.ts';
import { chain, type LogTable } from './log-table.ts';
import { decodeConf, type GroupRow } from './schema.ts';

/** Heads looked at before the event loop gets its turn. */
const headsPerSlice = 2048;

export interface RecoveredGroup {
  readonly state: LogState;
  readonly lowestRow: number;
}

/** `STORE_CORRUPT` when entries are missing, out of place, of another time, or more than were acknowledged. */
export async function recoverGroup(
  table: LogTable,
  groupId: string,
  row: GroupRow,
  env: Env,
): Promise<RecoveredGroup> {
  const outline = await scanHeads(table, groupId, row, env);
  if (row.commit > outline.lastIndex) {
    throw corrupt(
      `group ${JSON.stringify(groupId)}: commit ${String(row.commit)} lies beyond the last entry`,
      { groupId },
    );
  }
  const state = new LogState({
    hardState: { term: row.term, vote: row.vote, commit: row.commit },
    confState: { index: row.confIndex, state: decodeConf(row.conf) },
    pendingRestore: row.pending === '' ? undefined : row.pending,
    outline,
  });
  const lowestRow = table.lowest() ?? row.boundaryIndex + 1;
  return { state, lowestRow };
}

async function scanHeads(table: LogTable, groupId: string, row: GroupRow, env: Env): Promise<OutlineData> {
  const boundary = { index: row.boundaryIndex, term: row.boundaryTerm };
  const outline = new Outline({ boundary, runs: [], confIndexes: [], lastIndex: boundary.index });
  const fail = (index: number, what: string): never => {
    throw corrupt(`group ${JSON.stringify(groupId)}: entry ${String(index)} ${what}`, { groupId, index });
  };
  let last = boundary.index;
  let lastTerm = boundary.term;
  let lastChain = row.boundaryChain;
  for (;;) {
    const heads = table.heads(last, headsPerSlice);
    for (const head of heads) {
      if (head.index !== last + 1) fail(last + 1, 'is missing');
      if (head.index > row.lastIndex) fail(head.index, `lies beyond the last one, ${String(row.lastIndex)}`);
      if (!Number.isSafeInteger(head.term) || head.term < lastTerm)
        fail(head.index, 'has a term below the one before it');
      lastChain = chain(lastChain, head.crc);
      if (head.chain !== lastChain) fail(head.index, 'does not follow from the entry before it');
      last = head.index;
      lastTerm = head.term;
    }
    outline.append(heads);
    if (heads.length < headsPerSlice) break;
    await yieldTo(env);
  }
  if (last !== row.lastIndex) fail(last + 1, `is missing; the last one is ${String(row.lastIndex)}`);
  if (lastChain !== row.lastChain) fail(last, 'is not the one that was written last');
  return outline.toData();
}
