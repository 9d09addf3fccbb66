/**
 * A way back from opening a database.
 *
 * RocksDB cannot be opened without being changed: it recovers, drops what lies behind a damaged record
 * of its write-ahead log, and removes the log. The binding has no opening for reading only. So before
 * it is opened every file gets a second name in a directory beside it, which costs no copying: RocksDB
 * replaces and removes files while it recovers, and never changes one that is there. When the opening
 * is refused, the second names take the place of the first, and nothing has happened.
 */
import { constants } from 'node:fs';
import { copyFile, link, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { mapIo } from '@balsa/storage-kit';

/** File systems that have no links say it in these ways. */
const linkless: ReadonlySet<string> = new Set([
  'EPERM',
  'ENOTSUP',
  'EOPNOTSUPP',
  'ENOSYS',
  'EMLINK',
  'EACCES',
]);

export class Rollback {
  readonly #path: string;
  readonly #kept: string;

  private constructor(path: string, kept: string) {
    this.#path = path;
    this.#kept = kept;
  }

  /** Keeps the files of the database at `path` under second names at `kept`. */
  static async prepare(path: string, kept: string): Promise<Rollback> {
    await mapIo('prepare', kept, async () => {
      for (const leftover of [kept, openedName(kept)]) await rm(leftover, { recursive: true, force: true });
      await mkdir(kept);
      for (const name of await readdir(path)) {
        // RocksDB's lock is on the file: a second name would be a second lock.
        if (name !== 'LOCK') await duplicate(join(path, name), join(kept, name));
      }
    });
    return new Rollback(path, kept);
  }

  /** A crash in the middle of `undo` left the database under its second names only. */
  static async finishUndo(
    path: string,
    kept: string,
    exists: (path: string) => Promise<boolean>,
  ): Promise<void> {
    if ((await exists(path)) || !(await exists(kept))) return;
    await mapIo('restore', path, () => rename(kept, path));
  }

  /** Puts everything back as it was. The database is closed. */
  async undo(): Promise<void> {
    const opened = openedName(this.#kept);
    await mapIo('restore', this.#path, async () => {
      await rm(opened, { recursive: true, force: true });
      await rename(this.#path, opened);
      await rename(this.#kept, this.#path);
      await rm(opened, { recursive: true, force: true });
    });
  }

  /** The opening counts. */
  async forget(): Promise<void> {
    await mapIo('remove', this.#kept, () => rm(this.#kept, { recursive: true, force: true }));
  }
}

/** Where an opened database is put on its way out. */
function openedName(kept: string): string {
  return `${kept}.opened`;
}

async function duplicate(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && linkless.has(String(error.code)))) throw error;
    await copyFile(from, to, constants.COPYFILE_FICLONE);
  }
}
