/** Opens a store of ours by name: in this process, and in the children that a conformance run kills. */
import type { Engine, Env } from '@balsa/raft-core';
import { createNodeEnv } from '@balsa/raft-node';
import { openFileEngine } from '@balsa/storage-file';
import { openSqliteEngine } from '@balsa/storage-sqlite';

export type StoreName = 'sqlite' | 'file';

/** As `--option key=value` gave them: numbers and booleans read as such. Passed to the adapter as they are. */
export type StoreOptions = Readonly<Record<string, string | number | boolean>>;

/** Survives JSON: a child gets it as its argument. */
export interface NamedStore {
  readonly name: StoreName;
  readonly directory: string;
  readonly options: StoreOptions;
}

interface Place {
  readonly directory: string;
  readonly env: Env;
}

const openers: Readonly<Record<StoreName, (options: Place) => Promise<Engine>>> = {
  sqlite: openSqliteEngine,
  file: openFileEngine,
};

export async function openNamed({ name, directory, options }: NamedStore): Promise<Engine> {
  const env = createNodeEnv();
  return openers[name]({ ...options, directory, env });
}
