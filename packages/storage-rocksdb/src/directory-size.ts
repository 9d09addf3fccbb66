/** How much the files of a directory hold while RocksDB replaces them. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { refused } from './errors.ts';

/** Looks until one sees every file that it has a name of. A compaction takes longer than a look, as a rule. */
const mostLooks = 100;

export interface Looks {
  readonly readdir: (path: string) => Promise<readonly string[]>;
  /** Rejects with `ENOENT` for a file that is gone. */
  readonly stat: (path: string) => Promise<{ readonly size: number }>;
}

/**
 * Sum of the sizes of the files. A compaction that ends between the list of names and the sizes takes files away and
 * puts others in their place that were not in the list: such a look would miss both, so it is done again. `STORE_IO`
 * when the directory cannot be read; after too many looks it is what the last one saw.
 */
export async function bytesOfFiles(path: string, looks: Looks = { readdir, stat }): Promise<number> {
  try {
    for (let look = 1; ; look++) {
      const { bytes, isWhole } = await sizeOf(path, looks);
      if (isWhole || look === mostLooks) return bytes;
    }
  } catch (error) {
    throw refused(error, `look at ${path}`);
  }
}

async function sizeOf(
  path: string,
  looks: Looks,
): Promise<{ readonly bytes: number; readonly isWhole: boolean }> {
  let [bytes, isWhole] = [0, true];
  for (const name of await looks.readdir(path)) {
    try {
      bytes += (await looks.stat(join(path, name))).size;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      isWhole = false;
    }
  }
  return { bytes, isWhole };
}
