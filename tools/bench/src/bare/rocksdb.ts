/** One synced batch of puts under big-endian keys, with the settings that the store gives its engine by default. */
import { createRequire } from 'node:module';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import type { Lane } from '../measure/slice.ts';
import type { BareOptions } from './bare.ts';

/** What is used of the binding, which ships no types. `_writeSync` is the one that blocks and costs no turn of the event loop. */
interface Batch {
  put(key: Buffer, value: Uint8Array): Batch;
  clear(): Batch;
  _writeSync(options: { readonly sync: boolean }): void;
  close(): Promise<void>;
}

interface Database {
  open(options: object): Promise<void>;
  batch(): Batch;
  close(): Promise<void>;
}

interface Module {
  readonly RocksLevel: new (location: string, options: object) => Database;
}

const settings = {
  keyEncoding: 'buffer',
  valueEncoding: 'buffer',
  walCompression: false,
  compression: false,
  compaction: 'level',
  parallelism: 4,
  // As large as the store's write-ahead log may grow: two thirds of 12 MiB for memtables.
  memtableMemoryBudget: 8 * 1024 * 1024,
};

export async function bareRocksdb({ directory, pool, payloadBytes, entries }: BareOptions): Promise<Lane> {
  const { RocksLevel } = createRequire(import.meta.url)('@nxtedition/rocksdb') as Module;
  mkdirSync(directory, { recursive: true });
  const db = new RocksLevel(path.join(directory, 'bare.rocksdb'), settings);
  await db.open(settings);
  const batch = db.batch();
  let index = 0;
  return {
    streams: 1,
    unitsPerOperation: entries,
    servers: [],
    operate(): undefined {
      for (let i = 0; i < entries; i++) {
        const key = Buffer.alloc(8);
        key.writeUInt32BE(++index, 4);
        batch.put(key, pool.take(payloadBytes));
      }
      batch._writeSync({ sync: true });
      batch.clear();
    },
    async close(): Promise<void> {
      await batch.close();
      await db.close();
    },
  };
}
