/**
 * The watermark of one generation of an ordered store: how far `sync` has promised.
 *
 * SQLite drops everything behind a damaged frame of a write-ahead log without a word, and the applied index
 * goes back with it. The mark is written only after a sync of the file, so that it is never ahead of what a
 * power cut leaves; a file that is found behind it has lost what was promised.
 */
import { BalsaError, LogLevel, type Durability, type Env } from '@balsa/raft-core';
import { Watermark, type FileSystem, type WatermarkOptions } from '@balsa/storage-kit';
import { corrupt } from './errors.ts';
import { stateFileName } from './state-file.ts';
import type { StateSummary } from './state-tables.ts';

export interface MarkPlace {
  readonly fs: FileSystem;
  readonly directory: string;
}

function optionsOf({ fs, directory }: MarkPlace, generation: number): WatermarkOptions {
  // It never trails behind by itself: only a sync moves it.
  return { fs, directory, name: `${stateFileName(generation)}.mark`, lag: Number.MAX_SAFE_INTEGER };
}

/** Creates or replaces it, durably. Before the file that it watches counts. */
export async function createMark(place: MarkPlace, generation: number, identity: string): Promise<void> {
  await (await Watermark.create(optionsOf(place, generation), identity)).close();
}

/** `STORE_CORRUPT` when it is missing or damaged. */
export async function openMark(place: MarkPlace, generation: number): Promise<Watermark> {
  const mark = await Watermark.open(optionsOf(place, generation));
  if (mark !== undefined) return mark;
  const path = place.fs.join(place.directory, stateFileName(generation));
  throw corrupt(`${path} had a watermark beside it, which is missing`, { path });
}

/** `STORE_ACKNOWLEDGED_WRITE_LOST` when the file is behind it; a relaxed store says so in the log and goes on. */
export function checkMark(
  path: string,
  { mark, sequence, appliedIndex }: StateSummary,
  found: Watermark,
  { durability, env }: { readonly durability: Durability; readonly env: Env },
): void {
  if (mark !== found.identity) {
    throw corrupt(`the watermark beside ${path} belongs to another file`, {
      path,
      expected: mark,
      found: found.identity,
    });
  }
  if (sequence >= found.sequence) return;
  const text =
    `${path} ends at write ${String(sequence)} (applied index ${String(appliedIndex)}), but write ` +
    `${String(found.sequence)} was synced: ${String(found.sequence - sequence)} writes are lost`;
  const details = { path, found: sequence, acknowledged: found.sequence, appliedIndex };
  if (durability === 'strict') throw new BalsaError('STORE_ACKNOWLEDGED_WRITE_LOST', text, { details });
  env.log.log(LogLevel.Error, text, details);
}
