/**
 * What notices that flushed data are missing from the middle.
 *
 * A write sequence finds a lost end, not a lost middle: when the end of RocksDB's manifest is cut off,
 * the database forgets the tables that were flushed last, recovers the write-ahead log behind them, and
 * opens. Two things are remembered against that:
 *
 * - Now and then a batch writes a witness, a key of its own, so often that every flush holds one. The
 *   record of the sequence, which every batch writes, says which witnesses there must be.
 * - When the database is opened it writes down how long its manifest is by then.
 */
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mapIo } from '@balsa/storage-kit';
import type { RocksBatch, Rocks } from './binding.ts';
import { corrupt } from './errors.ts';
import { metaKey, numberOf, witnessKey, witnessRange } from './keys.ts';
import { RecordWriter, ascii } from './record-writer.ts';

/** The record under `sequence`. */
export interface Progress {
  /** Of the last durable write. */
  readonly sequence: number;
  /** Witnesses from here to `lastWitness` are there. */
  readonly firstWitness: number;
  readonly lastWitness: number;
}

/** Of the record that every batch writes, behind a checksum that held. */
export function unpackProgress(packed: unknown): Progress {
  const [sequence, firstWitness, lastWitness] = packed as [number, number, number];
  return { sequence, firstWitness, lastWitness };
}

/** So many are kept. The flush that can be missing is the last one: older witnesses say nothing more. */
const keptWitnesses = 128;
/** A flush takes at least a third of the bound on the write-ahead log: there are a dozen witnesses in each. */
const witnessesPerLimit = 36;

const progress = new RecordWriter(metaKey('sequence'));
const witnessValue = Buffer.alloc(0);

/** Writes the progress with each batch. */
export class Witnesses {
  readonly #everyBytes: number;
  #first: number;
  #last: number;
  #unwitnessed = 0;

  /** The first batch carries a witness. */
  constructor(walLimitBytes: number, found: Progress | undefined) {
    this.#everyBytes = walLimitBytes / witnessesPerLimit;
    this.#first = found?.firstWitness ?? 1;
    this.#last = found?.lastWitness ?? 0;
    this.#unwitnessed = this.#everyBytes;
  }

  /** Puts the progress into a batch that writes `bytes`, once for each batch and last of all. */
  mark(batch: RocksBatch, sequence: number, bytes: number): void {
    this.#unwitnessed += bytes;
    if (this.#unwitnessed >= this.#everyBytes) {
      this.#unwitnessed = 0;
      batch.put(witnessKey(++this.#last), witnessValue);
      if (this.#last - this.#first >= 2 * keptWitnesses) this.#prune(batch);
    }
    progress.begin(3, 1);
    progress.character(ascii.open);
    progress.number(sequence, ascii.comma);
    progress.number(this.#first, ascii.comma);
    progress.number(this.#last, ascii.close);
    batch.put(progress.key, progress.sealed());
  }

  #prune(batch: RocksBatch): void {
    const first = this.#last - keptWitnesses;
    for (let witness = this.#first; witness < first; witness++) batch.delete(witnessKey(witness));
    this.#first = first;
  }
}

/** `STORE_CORRUPT` when a witness is missing. */
export function checkWitnesses(rocks: Rocks, { firstWitness, lastWitness }: Progress): void {
  const rows = rocks.iterate(witnessRange(firstWitness, lastWitness), 64 * 1024);
  try {
    let expected = firstWitness;
    for (let slice = rows.next(1024); slice.length > 0; slice = rows.next(1024)) {
      for (const { key } of slice) if (numberOf(key) === expected) expected++;
    }
    if (expected === lastWitness + 1) return;
    throw corrupt(
      `${rocks.path} lacks what was written around witness ${String(expected)} of ${String(lastWitness)}: tables are missing from its middle`,
      { path: rocks.path, witness: expected, lastWitness },
    );
  } finally {
    rows.close();
  }
}

/** A manifest and how long it is known to be. */
export interface ManifestMark {
  readonly name: string;
  readonly bytes: number;
}

/** The manifest of the database at `path`, synced as far as the mark says. `STORE_CORRUPT` when there is none. */
export async function markManifest(path: string): Promise<ManifestMark> {
  const name = await mapIo('read', join(path, 'CURRENT'), async () =>
    (await readFile(join(path, 'CURRENT'), 'utf8')).trim(),
  );
  const missing = `${path}: the file CURRENT names ${JSON.stringify(name)}, which is no manifest of it`;
  if (!/^MANIFEST-[0-9]+$/.test(name)) throw corrupt(missing, { path, name });
  return mapIo('look at', join(path, name), async () => {
    const handle = await open(join(path, name), 'r').catch((error: unknown) => {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT')
        throw corrupt(missing, { path, name }, error);
      throw error;
    });
    try {
      const { size } = await handle.stat();
      await handle.datasync();
      return { name, bytes: size };
    } finally {
      await handle.close();
    }
  });
}

/** `STORE_CORRUPT` when `present`, as it was before the database was opened, is shorter or older than `marked`. */
export function checkManifest(path: string, present: ManifestMark, marked: ManifestMark): void {
  if (
    present.name === marked.name ? present.bytes >= marked.bytes : number(present.name) > number(marked.name)
  )
    return;
  throw corrupt(
    `${path} is described by ${present.name} of ${String(present.bytes)} bytes, but ${marked.name} had ${String(marked.bytes)} bytes already`,
    { path, present, marked },
  );
}

/** The number in a name like MANIFEST-000012. */
function number(name: string): number {
  return Number(name.slice(name.lastIndexOf('-') + 1));
}
