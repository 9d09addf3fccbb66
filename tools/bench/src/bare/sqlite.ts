/** One prepared INSERT for each entry, one transaction for each batch, WAL with synchronous=FULL. */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import type { Lane } from '../measure/slice.ts';
import type { BareOptions } from './bare.ts';

export async function bareSqlite({ directory, pool, payloadBytes, entries }: BareOptions): Promise<Lane> {
  const { default: Database } = await import('better-sqlite3');
  mkdirSync(directory, { recursive: true });
  const db = new Database(path.join(directory, 'bare.db'));
  db.pragma('journal_mode = WAL');
  db.pragma('synchronous = FULL');
  db.exec('CREATE TABLE log (i INTEGER PRIMARY KEY, term INTEGER, type INTEGER, data BLOB)');
  const insert = db.prepare('INSERT INTO log VALUES (?, ?, ?, ?)');
  const begin = db.prepare('BEGIN IMMEDIATE');
  const commit = db.prepare('COMMIT');
  let index = 0;
  return {
    streams: 1,
    unitsPerOperation: entries,
    servers: [],
    operate(): undefined {
      begin.run();
      for (let i = 0; i < entries; i++) insert.run(++index, 1, 0, pool.take(payloadBytes));
      commit.run();
    },
    async close(): Promise<void> {
      db.close();
    },
  };
}
