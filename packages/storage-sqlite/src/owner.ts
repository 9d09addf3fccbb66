/** One owner of a directory at a time. */
import { BalsaError } from '@balsa/raft-core';
import { refused, sqliteCode } from './errors.ts';
import { openConnection, type Connection } from './schema.ts';

/**
 * Holds an exclusive transaction on a database of its own for as long as the engine lives. The lock is
 * the kernel's, so the death of the process releases it, whatever a process id would suggest. Nothing is
 * ever written to the file. (Nobody else may open and close this file in the same process by other means
 * than SQLite: POSIX would drop the lock.)
 */
export class OwnerLock {
  readonly #db: Connection;

  private constructor(db: Connection) {
    this.#db = db;
  }

  /** `STORE_LOCKED` when another engine, in this process or another, holds it. */
  static acquire(path: string): OwnerLock {
    let db: Connection | undefined;
    try {
      db = openConnection(path);
      // Nothing is ever written, so that a journal would be one more file that a kill leaves behind.
      db.pragma('journal_mode = MEMORY');
      db.exec('BEGIN EXCLUSIVE');
      return new OwnerLock(db);
    } catch (error) {
      db?.close();
      if (sqliteCode(error)?.startsWith('SQLITE_BUSY') !== true) throw refused(error, `lock ${path}`);
      throw new BalsaError(
        'STORE_LOCKED',
        `${path} is held by another engine; stop the process that has it open, or use a directory of its own`,
        { cause: error, details: { path } },
      );
    }
  }

  /**
   * Whether an engine holds it. Changes nothing, and an owner notices nothing; who becomes one in the very moment of
   * the look may be refused with `STORE_LOCKED`.
   */
  static isHeld(path: string): boolean {
    let db: Connection | undefined;
    try {
      db = openConnection(path, true);
      db.pragma('schema_version');
      return false;
    } catch (error) {
      const code = sqliteCode(error) ?? '';
      if (code.startsWith('SQLITE_BUSY')) return true;
      // The lock comes before the first byte is read.
      if (code.startsWith('SQLITE_NOTADB') || code.startsWith('SQLITE_CORRUPT')) return false;
      throw refused(error, `look at ${path}`);
    } finally {
      db?.close();
    }
  }

  release(): void {
    if (!this.#db.open) return;
    this.#db.exec('ROLLBACK');
    this.#db.close();
  }
}
