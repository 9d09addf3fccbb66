/** What stores do about damage that they have noticed, and should not: each hides it. */
import { rm } from 'node:fs/promises';
import { isBalsaError, type Engine, type OrderedStore, type Storage } from '@balsa/raft-core';
import { inGroups, inOrderedStores, override } from '@balsa/test-suite/zoo';

export type MistakeName = 'begins anew' | 'gives empty chunks' | 'empties the ordered store';

type Opening = () => Promise<Engine>;

const isDamage = (error: unknown): boolean =>
  isBalsaError(error, 'STORE_CORRUPT') || isBalsaError(error, 'STORE_ACKNOWLEDGED_WRITE_LOST');

/** Mends by `mend` what is damage, once, and tries again. */
async function mending<T>(run: () => Promise<T>, mend: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (!isDamage(error)) throw error;
    return mend();
  }
}

function emptyChunks(storage: Storage): Partial<Storage> {
  return {
    openSnapshot: async (id) => {
      const reader = await storage.openSnapshot(id);
      return override(reader, {
        chunk: (n) =>
          mending(
            () => reader.chunk(n),
            () => Promise.resolve(new Uint8Array(0)),
          ),
      });
    },
  };
}

function emptied(engine: Engine, name: string): (store: OrderedStore) => Partial<OrderedStore> {
  return (store) => {
    let used = store;
    const openAnew = async (): ReturnType<OrderedStore['open']> => {
      used = engine.orderedStore(`${name} anew`);
      return used.open();
    };
    return {
      open: () => mending(() => store.open(), openAnew),
      range: (options) => used.range(options),
      count: () => used.count(),
    };
  };
}

export async function openWithMistake(name: MistakeName, directory: string, open: Opening): Promise<Engine> {
  const anew = async (): Promise<Engine> => {
    await rm(directory, { recursive: true, force: true });
    return open();
  };
  switch (name) {
    case 'begins anew':
      return mending(open, anew);
    case 'gives empty chunks':
      return inGroups(emptyChunks)(await open());
    case 'empties the ordered store': {
      const engine = await open();
      return inOrderedStores(emptied(engine, 'kv'))(engine);
    }
  }
}
