/**
 * Every test of this package is run twice: by the project `storage-sqlite` with the engine in this thread, and by
 * `storage-sqlite-worker` with SQLite in a worker thread (built packages run there: `npm run build` first).
 */
import { openSqliteEngine, type SqliteEngineOptions } from '@balsa/storage-sqlite';
import type { Engine } from '@balsa/raft-core';
import { test } from 'vitest';

export const worker: boolean = process.env['BALSA_SQLITE_WORKER'] === 'true';

/** `openSqliteEngine` in the mode of this run. */
export function openInMode(options: SqliteEngineOptions): Promise<Engine> {
  return openSqliteEngine({ worker, ...options });
}

/** How often a loop of openings goes round: in a worker each of them starts a thread, and a third has to do. */
export function rounds(inThread: number): number {
  return worker ? Math.ceil(inThread / 3) : inThread;
}

/** A test of what only the engine in this thread lets one see. The reason stands in the report of the other mode. */
export function inThreadOnly(reason: string, name: string, run: () => Promise<void>): void {
  test.skipIf(worker)(worker ? `${name} (NOT RUN in a worker: ${reason})` : name, run);
}
