/** Node's file system with one fault of its user in it: what an adapter does wrong with files, as a file system. */
import type { FileHandle, FileSystem } from '@balsa/storage-kit';
import { nodeFileSystem, temporarySuffix } from '@balsa/storage-kit';
import { override } from '@balsa/test-suite/zoo';

/** What to do otherwise; nothing of it is a correct file system. */
interface Fault {
  /** Of one file. */
  readonly inFile?: (handle: FileHandle, path: string) => Partial<FileHandle>;
  /** Of names. */
  readonly inNames?: (fs: FileSystem) => Partial<FileSystem>;
}

const done = async (): Promise<void> => undefined;

/** A sync that is begun a little later, and that nobody waits for. */
function behind(sync: () => Promise<void>): () => Promise<void> {
  return async () => {
    setTimeout(() => void sync().catch(() => undefined), 20).unref();
  };
}

async function copyInPlace(fs: FileSystem, from: string, to: string): Promise<void> {
  const source = await fs.open(from, 'read');
  const bytes = new Uint8Array(await source.size());
  await source.read(bytes, 0);
  await source.close();
  const exists = (await fs.size(to)) !== undefined;
  const target = await fs.open(to, exists ? 'update' : 'create');
  await target.truncate(0);
  await target.write([bytes], 0);
  await target.close();
  await fs.remove(from);
}

/** Tried twice; the second sync succeeds, and has made nothing durable of what the first one failed over. */
function again(sync: () => Promise<void>): () => Promise<void> {
  return async () => {
    try {
      await sync();
    } catch {
      await sync();
    }
  };
}

/** What an earlier life wrote is taken for synced. */
function unsyncedUntilWritten(handle: FileHandle): Partial<FileHandle> {
  let written = false;
  return {
    write: (buffers, at) => {
      written = true;
      return handle.write(buffers, at);
    },
    sync: () => (written ? handle.sync() : done()),
    dataSync: () => (written ? handle.dataSync() : done()),
  };
}

/** What is written comes to the file when it is closed in good order, and not before. */
function writtenAtTheEnd(handle: FileHandle): Partial<FileHandle> {
  let last: { readonly bytes: readonly Uint8Array[]; readonly at: number } | undefined;
  return {
    write: async (buffers, at) => {
      last = { bytes: buffers.map((one) => one.slice()), at };
    },
    writeNow: (bytes, at) => {
      last = { bytes: [bytes.slice()], at };
    },
    sync: done,
    dataSync: done,
    close: async () => {
      if (last !== undefined) await handle.write(last.bytes, last.at);
      await handle.sync();
      await handle.close();
    },
  };
}

const ofLog = (path: string): boolean => path.endsWith('.seg');
const ofWatermark = (path: string): boolean => path.endsWith('watermark');

/**
 * The log is synced before anything is acknowledged, but the watermark has counted the write before that: in its bytes
 * that nobody has synced yet, or, where it is synced, durably.
 */
function syncedBehindWatermark(when: 'written' | 'synced'): Fault {
  let waiting: FileHandle | undefined;
  const syncLog = (): void => {
    waiting?.dataSyncNow?.();
    waiting = undefined;
  };
  const log = (handle: FileHandle): Partial<FileHandle> => ({
    dataSync: async () => {
      waiting = handle;
    },
  });
  const watermark = (handle: FileHandle): Partial<FileHandle> => ({
    writeNow: (bytes, at) => {
      if (when === 'synced') syncLog();
      handle.writeNow?.(bytes, at);
      syncLog();
    },
    dataSync: async () => {
      if (when === 'written') syncLog();
      await handle.dataSync();
      syncLog();
    },
  });
  return {
    inFile: (handle, path) => (ofLog(path) ? log(handle) : ofWatermark(path) ? watermark(handle) : {}),
  };
}

export type FaultName =
  | 'no sync'
  | 'no sync of the log'
  | 'sync behind the acknowledgement'
  | 'no sync of directories'
  | 'rename by copying'
  | 'no sync of temporaries'
  | 'no sync of snapshots'
  | 'no sync of what was recovered'
  | 'watermark not written'
  | 'no sync of the watermark'
  | 'watermark written at the end'
  | 'no sync of the watermark that was found'
  | 'watermark written before the sync of the log'
  | 'watermark synced before the log'
  | 'temporaries stay'
  | 'full disks ignored'
  | 'sync errors ignored'
  | 'failed syncs tried again'
  | 'write errors ignored';

const faults: Readonly<Record<FaultName, Fault | (() => Fault)>> = {
  'no sync': { inFile: () => ({ sync: done, dataSync: done }) },
  'no sync of the log': { inFile: (_handle, path) => (ofLog(path) ? { sync: done, dataSync: done } : {}) },
  'sync behind the acknowledgement': {
    inFile: (handle, path) => (ofLog(path) ? { dataSync: behind(() => handle.dataSync()) } : {}),
  },
  'no sync of directories': { inNames: () => ({ syncDirectory: done }) },
  'rename by copying': { inNames: (fs) => ({ rename: (from, to) => copyInPlace(fs, from, to) }) },
  'no sync of temporaries': {
    inFile: (_handle, path) => (path.endsWith(temporarySuffix) ? { sync: done, dataSync: done } : {}),
  },
  'no sync of snapshots': {
    inFile: (_handle, path) => (path.includes('snapshots') ? { sync: done, dataSync: done } : {}),
  },
  'no sync of what was recovered': { inFile: (handle) => unsyncedUntilWritten(handle) },
  'watermark not written': {
    inFile: (_handle, path) => (ofWatermark(path) ? { write: done } : {}),
  },
  'no sync of the watermark': {
    inFile: (_handle, path) => (ofWatermark(path) ? { sync: done, dataSync: done } : {}),
  },
  'watermark written at the end': {
    inFile: (handle, path) => (ofWatermark(path) ? writtenAtTheEnd(handle) : {}),
  },
  'no sync of the watermark that was found': {
    inFile: (handle, path) => (ofWatermark(path) ? unsyncedUntilWritten(handle) : {}),
  },
  'watermark written before the sync of the log': () => syncedBehindWatermark('written'),
  'watermark synced before the log': () => syncedBehindWatermark('synced'),
  'temporaries stay': {
    inNames: (fs) => ({
      remove: (path) => (path.endsWith(temporarySuffix) ? done() : fs.remove(path)),
    }),
  },
  'full disks ignored': {
    inFile: (handle) => ({
      write: (buffers, at) =>
        handle.write(buffers, at).catch((error: unknown) => {
          if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
        }),
    }),
  },
  'sync errors ignored': {
    inFile: (handle) => ({
      sync: () => handle.sync().catch(() => undefined),
      dataSync: () => handle.dataSync().catch(() => undefined),
    }),
  },
  'failed syncs tried again': {
    inFile: (handle) => ({ sync: again(() => handle.sync()), dataSync: again(() => handle.dataSync()) }),
  },
  'write errors ignored': {
    inFile: (handle) => ({ write: (buffers, at) => handle.write(buffers, at).catch(() => undefined) }),
  },
};

export function isFaultName(text: string): text is FaultName {
  return Object.hasOwn(faults, text);
}

export function brokenFileSystem(name: FaultName): FileSystem {
  const fault = faults[name];
  const { inFile, inNames } = typeof fault === 'function' ? fault() : fault;
  return override(nodeFileSystem, {
    ...inNames?.(nodeFileSystem),
    ...(inFile !== undefined && {
      open: async (path, mode) => {
        const handle = await nodeFileSystem.open(path, mode);
        return override(handle, inFile(handle, path));
      },
    }),
  });
}
