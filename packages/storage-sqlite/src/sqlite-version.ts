/** What a user hears of SQLite itself, apart from the client: its typings are not everybody's. */
import { BalsaError } from '@balsa/raft-core';

/** How often SQLite syncs: what `PRAGMA synchronous` takes. */
export type Synchronous = 'OFF' | 'NORMAL' | 'FULL' | 'EXTRA';

/** Below it, two connections that write and checkpoint at one instant can corrupt a WAL database. */
export const oldestSqlite = '3.51.3';

/** Refuses an engine that has the WAL-reset bug. */
export function assertSqliteVersion(version: string): void {
  const parts = (text: string): number[] => text.split('.').map(Number);
  const [have, need] = [parts(version), parts(oldestSqlite)];
  for (let i = 0; i < 3; i++) {
    const difference = (have[i] ?? 0) - (need[i] ?? 0);
    if (difference > 0) return;
    if (difference < 0) {
      throw new BalsaError(
        'STORE_UNSAFE_SETTING',
        `SQLite ${version} can corrupt a database in WAL mode; ${oldestSqlite} or later is needed: install better-sqlite3 12.11.1`,
        { details: { version, needed: oldestSqlite } },
      );
    }
  }
}
