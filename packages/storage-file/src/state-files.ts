/** The files of one generation of an ordered store's contents: read back, gone on with, written anew. */
import { type LogIndex } from '@balsa/raft-core';
import { mapIo, removeDurably, type FileSystem } from '@balsa/storage-kit';
import { beginning, lookAt, withFile, type FoundFile } from './chain-file.ts';
import { corrupt } from './errors.ts';
import { FrameFile } from './frame-file.ts';
import { encodeHeader, type ChainEnd } from './frame-format.ts';
import { findFrame, scanFrames, type ScanOptions } from './frame-scan.ts';
import { OrderedMap } from './ordered-map.ts';
import { decodeBatch, stateName, statePattern, syncedOf } from './state-format.ts';

export interface StateFilesOptions {
  readonly fs: FileSystem;
  readonly directory: string;
  readonly identity: string;
}

/** The contents that an ordered store has at present. */
export interface Generation {
  readonly number: number;
  readonly map: OrderedMap;
  appliedIndex: LogIndex;
  readonly file: FrameFile;
  readonly parts: number;
  /** Bytes of the parts before `file`. */
  readonly sealedBytes: number;
  /** Sequence up to which everything is durable. */
  synced: number;
  /** Syncs under way; the file is closed when the last one ends. */
  users: number;
  retired: boolean;
}

/** Numbers of the generations in a directory, and their files. */
export async function listGenerations({ fs, directory }: StateFilesOptions): Promise<Map<number, string[]>> {
  const found = new Map<number, string[]>();
  for (const name of await mapIo('list', directory, () => fs.list(directory))) {
    const digits = statePattern.exec(name)?.[1];
    if (digits === undefined) continue;
    const generation = Number(digits);
    found.set(generation, [...(found.get(generation) ?? []), name]);
  }
  return found;
}

export async function removeGeneration(options: StateFilesOptions, generation: number): Promise<void> {
  const names = (await listGenerations(options)).get(generation) ?? [];
  await removeDurably(options.fs, options.directory, names);
}

/** Begins the first part of a new generation; nothing is durable before `finishFile`. */
export async function createFile(
  options: StateFilesOptions,
  generation: number,
  part = 1,
  previous: ChainEnd = beginning,
): Promise<FrameFile> {
  const path = options.fs.join(options.directory, stateName(generation, part));
  return FrameFile.create(options.fs, path, {
    identity: options.identity,
    chain: generation,
    number: part,
    previous,
  });
}

export async function syncFile({ fs, directory }: StateFilesOptions, file: FrameFile): Promise<void> {
  await mapIo('sync', file.path, async () => {
    await file.handle.sync();
    await fs.syncDirectory(directory);
  });
}

/**
 * Reads a generation and begins its next part, so that a dead owner's late writes go where nobody looks.
 * What is found is made durable anew. What was never synced may be missing or torn: the longest whole
 * prefix counts. `STORE_CORRUPT` when something that was synced is not there: what a later frame says of that, or the
 * log, which knows the sequence `synced`.
 */
export async function loadGeneration(
  options: StateFilesOptions,
  generation: number,
  synced: number,
): Promise<Generation> {
  const { fs, directory } = options;
  const names = ((await listGenerations(options)).get(generation) ?? []).sort();
  const files: FoundFile[] = [];
  for (const [i, name] of names.entries()) {
    if (name !== stateName(generation, i + 1)) break;
    files.push(await lookAt(fs, fs.join(directory, name), i + 1));
  }
  const path = fs.join(directory, stateName(generation, 1));
  if (files.length === 0)
    throw corrupt(`${path}, the present contents of an ordered store, is missing`, { path });
  if (files.length < names.length) throw corrupt(`a part of ${path} is missing`, { path });

  const found = new Contents(options, generation);
  let unfinished: string | undefined;
  for (const [i, file] of files.entries()) {
    if (!(await found.read(file, files[i + 1]))) unfinished = stateName(generation, file.number);
  }
  if (found.end.sequence < synced) {
    const lost = String(synced - found.end.sequence);
    throw corrupt(`${path} lacks the last ${lost} batches that were synced`, { path });
  }
  if (unfinished !== undefined) await removeDurably(fs, directory, [unfinished]);
  const parts = files.length - (unfinished === undefined ? 0 : 1);
  const last = files[parts - 1];
  if (last !== undefined)
    await withFile(fs, last.path, (handle) => mapIo('sync', last.path, () => handle.sync()));
  const file = await createFile(options, generation, parts + 1, found.end);
  await syncFile(options, file);
  const { map, appliedIndex, bytes, end } = found;
  return {
    number: generation,
    map,
    appliedIndex,
    file,
    parts: parts + 1,
    sealedBytes: bytes,
    synced: end.sequence,
    users: 0,
    retired: false,
  };
}

class Contents {
  readonly map = new OrderedMap();
  appliedIndex: LogIndex = 0;
  end = beginning;
  bytes = 0;
  readonly #options: StateFilesOptions;
  readonly #generation: number;

  constructor(options: StateFilesOptions, generation: number) {
    this.#options = options;
    this.#generation = generation;
  }

  /** False when it is the last part and was never finished. */
  async read(file: FoundFile, next: FoundFile | undefined): Promise<boolean> {
    const expected = encodeHeader({
      identity: this.#options.identity,
      chain: this.#generation,
      number: file.number,
      previous: this.end,
    });
    const isUnfinished = file.header === undefined && next === undefined && file.number > 1;
    if (!isUnfinished && file.seed !== expected.crc)
      throw damaged(file, 'its header is not what it should be');
    const limit = Math.min(file.size, next?.header?.previous.offset ?? file.size);
    return withFile(this.#options.fs, file.path, async (handle) => {
      const { sequence } = this.end;
      const scan: ScanOptions = { handle, path: file.path, size: limit, seed: expected.crc, sequence };
      if (isUnfinished) {
        if (await findFrame(scan, 0, () => true)) throw damaged(file, 'its header is damaged');
        return false;
      }
      const end = await scanFrames(scan, (frame) => {
        this.appliedIndex = decodeBatch(frame.body, ([key, value]) => {
          this.map.set(key, value);
        });
      });
      // A later batch that says that this one was durable when it was written.
      const lost = await findFrame(scan, end.offset, (frame) => syncedOf(frame.body) > end.sequence);
      if (lost) throw damaged(file, `what begins at byte ${String(end.offset)} was synced and is not whole`);
      this.end = end;
      this.bytes += end.offset;
      return true;
    });
  }
}

function damaged(file: FoundFile, what: string): Error {
  return corrupt(`${file.path} is damaged: ${what}`, { path: file.path });
}
