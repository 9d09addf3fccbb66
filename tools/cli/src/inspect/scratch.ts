/** A copy of a directory that may be opened, written to and thrown away; the directory itself is only read. */
import { constants, createReadStream, createWriteStream, mkdtempSync, rmSync } from 'node:fs';
import { chmod, copyFile, mkdir, readdir, realpath, rm, stat, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { BalsaError } from '@balsa/raft-core';
import { formatBytes } from '../start/table.ts';
import { WrongUse } from './report.ts';

/** Every file below a directory, by its path from there. */
export interface Listing {
  readonly files: ReadonlyMap<string, { readonly size: number; readonly changed: bigint }>;
  readonly folders: readonly string[];
  readonly bytes: number;
}

/** An engine that is opened writes a little, and may rewrite what it finds. */
const spareBytes = 32 * 1024 * 1024;
const removal = { recursive: true, force: true, maxRetries: 10, retryDelay: 20 } as const;

/** Links are followed: a link in the copy would lead back to the data. What is no file, such as a socket, is left out. */
export async function listFiles(directory: string): Promise<Listing> {
  const files = new Map<string, { size: number; changed: bigint }>();
  const folders: string[] = [];
  let bytes = 0;
  const visit = async (folder: string, above: readonly string[]): Promise<void> => {
    const place = await realpath(path.join(directory, folder));
    // A link to where it came from has no end.
    if (above.includes(place)) return;
    folders.push(folder);
    for (const name of (await readdir(place)).sort()) {
      const one = path.join(folder, name);
      const found = await stat(path.join(directory, one), { bigint: true }).catch(unlessGone);
      if (found?.isDirectory() === true) await visit(one, [...above, place]);
      if (found?.isFile() !== true) continue;
      files.set(one, { size: Number(found.size), changed: found.mtimeNs });
      bytes += Number(found.size);
    }
  };
  await visit('', []);
  return { files, folders, bytes };
}

/** A link that leads nowhere, or a file that its owner has just removed. */
function unlessGone(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}

/** A folder of this process's own, which is gone when the process ends, however it ends but by SIGKILL. */
export class Scratch {
  readonly directory: string;
  readonly #onExit: () => void;

  private constructor(directory: string) {
    this.directory = directory;
    this.#onExit = () => {
      rmSync(directory, removal);
    };
    process.once('exit', this.#onExit);
  }

  /** Below `home`, which lies outside of `data`. */
  static async create(home: string | undefined, data: string): Promise<Scratch> {
    const parent = path.resolve(home ?? tmpdir());
    try {
      const place = await realpath(parent);
      const way = path.relative(await realpath(data), place);
      if (way !== '..' && !way.startsWith(`..${path.sep}`) && !path.isAbsolute(way))
        throw new WrongUse(`the copy cannot be made within the data, in ${parent}: name another --scratch`);
      // In one turn, so that no signal comes in between.
      return new Scratch(mkdtempSync(path.join(place, 'balsa-inspect-')));
    } catch (error) {
      if (error instanceof WrongUse) throw error;
      throw new WrongUse(
        `a copy cannot be made in ${parent}: ${(error as Error).message}; name another --scratch`,
        {
          cause: error,
        },
      );
    }
  }

  async remove(): Promise<void> {
    await rm(this.directory, removal);
    process.off('exit', this.#onExit);
  }
}

/**
 * Copies what `before` lists. `SCRATCH_TOO_SMALL` before anything is copied; `STORE_LOCKED` when the directory
 * changed meanwhile, which somebody did who cannot be seen from here.
 */
export async function copyInto(
  scratch: Scratch,
  directory: string,
  before: Listing,
  onProgress: (bytes: number) => void,
): Promise<void> {
  // Those above come first. Not recursive: one that is under way as the process ends would make the place anew.
  for (const folder of before.folders) if (folder !== '') await mkdir(path.join(scratch.directory, folder));
  const [largest] = [...before.files].sort(([, a], [, b]) => b.size - a.size);
  const clones = largest !== undefined && (await cloned(directory, scratch.directory, largest[0]));
  if (!clones) await requireSpace(scratch.directory, directory, before.bytes);
  let bytes = 0;
  for (const [file, { size }] of before.files) {
    const [from, to] = [path.join(directory, file), path.join(scratch.directory, file)];
    if (!clones || !(await cloned(directory, scratch.directory, file))) {
      // By a stream rather than by one call, which would hold up the end of a process that is to stop.
      await pipeline(createReadStream(from), createWriteStream(to)).catch(unlessGone);
    }
    bytes += size;
    onProgress(bytes);
  }
  assertSame(directory, before, await listFiles(directory));
}

/** Without using space, where the file system can; false where it cannot. */
async function cloned(directory: string, scratch: string, file: string): Promise<boolean> {
  const to = path.join(scratch, file);
  try {
    await copyFile(path.join(directory, file), to, constants.COPYFILE_FICLONE_FORCE);
    await chmod(to, 0o600);
    return true;
  } catch {
    // Why does not matter: the copy by hand says what is wrong with the file.
    await rm(to, { force: true });
    return false;
  }
}

async function requireSpace(scratch: string, directory: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(scratch);
  const [need, free] = [bytes + spareBytes, bavail * bsize];
  if (free >= need) return;
  const home = path.dirname(scratch);
  throw new BalsaError(
    'SCRATCH_TOO_SMALL',
    `a copy of ${directory} takes ${formatBytes(need)}, and ${home} has ${formatBytes(free)} left: ` +
      'name a place with more room with --scratch DIR',
    { details: { need, free, scratch: home } },
  );
}

function assertSame(directory: string, before: Listing, after: Listing): void {
  const names = new Set([...before.files.keys(), ...after.files.keys()]);
  for (const name of names) {
    const [was, is] = [before.files.get(name), after.files.get(name)];
    if (was?.size === is?.size && was?.changed === is?.changed) continue;
    throw new BalsaError(
      'STORE_LOCKED',
      `${path.join(directory, name)} changed while it was copied: something writes to ${directory}, ` +
        'perhaps in a container or on another machine; stop it and try again',
      { details: { directory, file: name } },
    );
  }
}
