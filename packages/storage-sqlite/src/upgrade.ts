/** What leads from an older format of log.db to the next, inside the one transaction that takes the ownership. */
import { entryChecksum, type Env } from '@balsa/raft-core';
import { crc32 } from '@balsa/storage-kit';
import { LegacyLog } from './legacy-log.ts';
import { LogTable, logTables, tableName } from './log-table.ts';
import { Groups, applicationIds, decodeName, type Connection, type GroupRow } from './schema.ts';

type Upgrade = (db: Connection, env: Env) => Promise<void>;

/** From the format of its key. A transaction is open; the file may be changed by nobody else. */
export const logUpgrades: Readonly<Record<number, Upgrade>> = {
  1: async (db) => {
    db.pragma(`application_id = ${String(applicationIds.log)}`);
  },
  2: async (db, env) => {
    const before = logTables(db);
    let next = Math.max(0, ...before);
    const groups = new Groups(db);
    for (const row of [...groups.all()]) groups.update(await intoRuns(db, row, ++next, env));
    // Those that nothing referred to any more go with the others.
    for (const logId of before) db.exec(`DROP TABLE ${tableName(logId)}`);
  },
};

/** Copies a log of format 2 into a new table. The chain begins anew at the boundary. */
async function intoRuns(db: Connection, row: GroupRow, logId: number, env: Env): Promise<GroupRow> {
  const groupId = decodeName(row.name);
  const checksum = entryChecksum(groupId, crc32);
  const table = new LogTable(db, logId);
  table.create();
  let lastChain = 0;
  for await (const entries of new LegacyLog(db, row, groupId, env).slices(checksum)) {
    lastChain = table.append(entries, { sequence: row.sequence, commit: row.commit }, lastChain, checksum);
  }
  return { ...row, logId, boundaryChain: 0, lastChain };
}
