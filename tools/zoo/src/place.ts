/** Places on the disk for the families whose stores keep files. */
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Engine } from '@balsa/raft-core';
import type { Harness, Target } from '@balsa/test-suite';

/** Also from the sources, processes are started from what was built. `name` is beside the module at `url`. */
export function builtBeside(url: string, name: string): string {
  const here = path.dirname(fileURLToPath(url));
  const file = path.join(here.replace(/([/\\])src([/\\])/, '$1dist$2'), name);
  if (!existsSync(file)) throw new Error(`${file} is missing: build the packages first (npm run build)`);
  return file;
}

/** Files that hold data: not the locks, which belong to a life and not to the data. */
export async function filesBelow(directory: string): Promise<string[]> {
  if (!existsSync(directory)) return [];
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && !/(^|[-.])(lock|owner)/.test(entry.name))
    .map((entry) => path.join(entry.parentPath, entry.name))
    .sort();
}

export interface DirectoryTargetOptions<P> {
  readonly name: string;
  /** What the store is opened with, given a directory that need not be there. Survives JSON. */
  readonly argument: (directory: string) => P;
  readonly open: (argument: P) => Promise<Engine>;
  /** The built module that exports `open`, and its name there. */
  readonly module: string;
  readonly exported: string;
  readonly orderedStore?: boolean;
}

export function directoryTarget<P>(options: DirectoryTargetOptions<P>): Target {
  const { name, open, module, exported, orderedStore = true } = options;
  return {
    name,
    abilities: ['files', 'child'],
    orderedStore,
    create: async (): Promise<Harness> => {
      const place = await mkdtemp(path.join(tmpdir(), 'balsa-zoo-'));
      const directory = path.join(place, 'data');
      const argument = options.argument(directory);
      return {
        directory,
        open: () => open(argument),
        files: () => filesBelow(directory),
        child: { module, export: exported, argument },
        destroy: () => rm(place, { recursive: true, force: true }),
      };
    },
  };
}
