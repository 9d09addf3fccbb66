/** Looking at a database without leaving a trace: what is refused stays byte for byte what it was. */
import { mapIo, type FileSystem } from '@balsa/storage-kit';
import { corrupt } from './errors.ts';
import { openConnection, type Connection } from './schema.ts';

/** What SQLite puts beside a database in WAL mode, also for a connection that only reads. */
interface Companions {
  readonly wal: number | undefined;
  readonly shm: Uint8Array | undefined;
}

/** Where the header of a SQLite database has its write and read version. */
const versionsOffset = 18;

/**
 * Runs `read` on a read-only connection. Such a connection changes neither the database nor its write-ahead
 * log, but it makes an empty log and an index of it where there are none, and builds the index anew where a dead
 * process left one: both are put back as they were. The caller owns the directory.
 */
export async function lookAt<T>(
  fs: FileSystem,
  path: string,
  read: (db: Connection) => T | Promise<T>,
): Promise<T> {
  await checkHeader(fs, path);
  const before = await companions(fs, path);
  try {
    const db = openConnection(path, true);
    try {
      return await read(db);
    } finally {
      db.close();
    }
  } finally {
    await putBack(fs, path, before);
  }
}

/** A version that SQLite does not know makes the file read-only, which would look like a lost permission. */
async function checkHeader(fs: FileSystem, path: string): Promise<void> {
  const versions = new Uint8Array(2);
  const handle = await mapIo('open', path, () => fs.open(path, 'read'));
  try {
    const length = await mapIo('read', path, () => handle.read(versions, versionsOffset));
    if (length < versions.length || versions.every((one) => one === 1 || one === 2)) return;
  } finally {
    await handle.close();
  }
  throw corrupt(`${path}: its header is not that of a database`, { path });
}

async function companions(fs: FileSystem, path: string): Promise<Companions> {
  return mapIo('look at', path, async () => {
    const size = await fs.size(`${path}-shm`);
    if (size === undefined) return { wal: await fs.size(`${path}-wal`), shm: undefined };
    const shm = new Uint8Array(size);
    const handle = await fs.open(`${path}-shm`, 'read');
    try {
      await handle.read(shm, 0);
    } finally {
      await handle.close();
    }
    return { wal: await fs.size(`${path}-wal`), shm };
  });
}

async function putBack(fs: FileSystem, path: string, { wal, shm }: Companions): Promise<void> {
  await mapIo('leave as it was', path, async () => {
    // Ours is empty: nothing was written through it.
    if (wal === undefined && (await fs.size(`${path}-wal`)) === 0) await fs.remove(`${path}-wal`);
    if (shm === undefined) {
      await fs.remove(`${path}-shm`);
      return;
    }
    const handle = await fs.open(`${path}-shm`, 'update');
    try {
      await handle.truncate(shm.length);
      await handle.write([shm], 0);
    } finally {
      await handle.close();
    }
  });
}
