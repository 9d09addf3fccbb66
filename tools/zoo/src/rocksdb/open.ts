/** storage-rocksdb on a changed database, opened in this process or in a child that a case starts. */
import type { Engine } from '@balsa/raft-core';
import { createNodeEnv } from '@balsa/raft-node';
import { openChangedEngine } from '@balsa/storage-rocksdb/testing';
import { changeOf, type ChangeName } from './changes.ts';

/** Survives JSON. */
export interface RocksdbPlace {
  readonly directory: string;
  readonly change?: ChangeName;
}

export async function openRocksdbStore({ directory, change }: RocksdbPlace): Promise<Engine> {
  return openChangedEngine({ directory, env: createNodeEnv() }, changeOf(change));
}
