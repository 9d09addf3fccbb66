/** What a group is found to be when it is opened: its outline from a scan of the heads, everything checked. */
import { Outline, type Env, type LogIndex, type OutlineData } from '@balsa/raft-core';
import { LogState, yieldTo } from '@balsa/storage-kit';
import { corrupt } from './errors.ts';
import { LegacyLog } from './legacy-log.ts';
import type { LogTable, StoredRun } from './log-table.ts';
import { chain } from './runs.ts';
import { decodeConf, type Connection, type GroupRow } from './schema.ts';

/** Runs looked at before the event loop gets its turn: of one entry each, or of a thousand. */
const runsPerSlice = 64;

export interface RecoveredGroup {
  readonly state: LogState;
  /** Last entry of the lowest run that is all compacted, above the boundary when there is none. */
  readonly lowestRow: number;
  readonly stored: GroupRow;
  /** The row as it is by now: `stored`, or further, where runs behind those that it knows of carry what came later. */
  readonly row: GroupRow;
}

/** `STORE_CORRUPT` when entries are missing, out of place or of another time. */
export async function recoverGroup(
  table: LogTable,
  groupId: string,
  stored: GroupRow,
  env: Env,
): Promise<RecoveredGroup> {
  const scan = new Scan(groupId, stored);
  for (;;) {
    const runs = table.runs(scan.row.lastIndex, runsPerSlice);
    for (const run of runs) scan.add(run);
    if (runs.length < runsPerSlice) break;
    await yieldTo(env);
  }
  const { row, outline } = scan.end();
  const lowestRow = Math.min(table.lowest() ?? Infinity, row.boundaryIndex + 1);
  return { ...recovered(groupId, row, outline, lowestRow), stored };
}

/** The same for a log of format 1 or 2. */
export async function recoverLegacyGroup(
  db: Connection,
  groupId: string,
  row: GroupRow,
  env: Env,
): Promise<RecoveredGroup> {
  const outline = await new LegacyLog(db, row, groupId, env).outline();
  return { ...recovered(groupId, row, outline, row.boundaryIndex + 1), stored: row };
}

function recovered(
  groupId: string,
  row: GroupRow,
  outline: OutlineData,
  lowestRow: LogIndex,
): Omit<RecoveredGroup, 'stored'> {
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
  return { state, lowestRow, row };
}

/** Goes through a log's runs from the boundary on. */
class Scan {
  readonly #groupId: string;
  readonly #stored: GroupRow;
  readonly #outline: Outline;
  /** As far as the runs so far tell; up to the stored row's last entry only its place in the log is theirs. */
  row: GroupRow;
  #lastTerm: number;
  /** Whether the run was met that was the last one when the row was stored. */
  #complete: boolean;

  constructor(groupId: string, stored: GroupRow) {
    const boundary = { index: stored.boundaryIndex, term: stored.boundaryTerm };
    this.#groupId = groupId;
    this.#stored = stored;
    this.#outline = new Outline({ boundary, runs: [], confIndexes: [], lastIndex: boundary.index });
    this.#lastTerm = boundary.term;
    this.row = { ...stored, lastIndex: boundary.index, lastChain: stored.boundaryChain };
    this.#complete = stored.lastIndex === boundary.index;
  }

  add({ head, chain: found }: StoredRun): void {
    const { lastIndex, lastChain } = this.row;
    const starts =
      lastIndex === this.#stored.boundaryIndex ? head.first <= lastIndex + 1 : head.first === lastIndex + 1;
    if (!starts) this.#fail(lastIndex + 1, 'is missing');
    if (chain(lastChain, head.bytes) !== found)
      this.#fail(head.first, 'does not follow from the entry before it');
    const heads = head.entryHeads(lastIndex + 1);
    for (const { index, term } of heads) {
      if (!Number.isSafeInteger(term) || term < this.#lastTerm)
        this.#fail(index, 'has a term below the one before it');
      this.#lastTerm = term;
    }
    this.#outline.append(heads);
    this.row = { ...this.row, lastIndex: head.last, lastChain: found };
    if (this.#complete) this.#goOn(head.sequence, head.commit);
    else this.#complete = this.#reachesStored();
  }

  /** Of a run that was added after the row was stored: entries alone, the rest of the state being as the row has it. */
  #goOn(sequence: number, commit: LogIndex): void {
    const { row } = this;
    const follows = sequence >= row.sequence && sequence > this.#stored.sequence && commit >= row.commit;
    if (!follows || commit > row.lastIndex)
      this.#fail(row.lastIndex, 'does not go on from the state before it');
    this.row = { ...row, sequence, commit };
  }

  #reachesStored(): boolean {
    const { lastIndex, lastChain } = this.row;
    const stored = this.#stored;
    if (lastIndex < stored.lastIndex) return false;
    if (lastIndex > stored.lastIndex || lastChain !== stored.lastChain)
      this.#fail(stored.lastIndex, 'is not the one that was written last');
    return true;
  }

  end(): { readonly row: GroupRow; readonly outline: OutlineData } {
    const { lastIndex } = this.row;
    if (!this.#complete)
      this.#fail(lastIndex + 1, `is missing; the last one is ${String(this.#stored.lastIndex)}`);
    const row = lastIndex === this.#stored.lastIndex ? this.#stored : this.row;
    return { row, outline: this.#outline.toData() };
  }

  #fail(index: number, what: string): never {
    throw corrupt(`group ${JSON.stringify(this.#groupId)}: entry ${String(index)} ${what}`, {
      groupId: this.#groupId,
      index,
    });
  }
}
