/** Small builders of the nouns that cases use. */
import {
  EmptyConfState,
  Entry,
  EntryType,
  type ConfState,
  type HardState,
  type IndexedConfState,
  type SnapshotMetadata,
  type Storage,
  type StoredSnapshot,
} from '@balsa/raft-core';

const encoder = new TextEncoder();

export const bytes = (text: string): Uint8Array => encoder.encode(text);

export function entry(
  index: number,
  term: number,
  data: string | Uint8Array = `${String(index)}/${String(term)}`,
): Entry {
  return new Entry(term, index, EntryType.Normal, typeof data === 'string' ? bytes(data) : data);
}

export function confEntry(index: number, term: number): Entry {
  return new Entry(term, index, EntryType.ConfChangeV2, bytes('conf'));
}

/** Entries `from` to `to`, both included, of one term. */
export function run(from: number, to: number, term: number): Entry[] {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => entry(from + i, term));
}

export const hard = (term: number, commit: number, vote = 0): HardState => ({ term, vote, commit });

export const conf = (...voters: number[]): ConfState => ({ ...EmptyConfState, voters });

export const noConf: IndexedConfState = { index: 0, state: EmptyConfState };

/** A conf state with every field in use. */
export const jointConf: ConfState = {
  voters: [1, 2, 4],
  votersOutgoing: [1, 2, 3],
  learners: [7, 8],
  learnersNext: [3],
  autoLeave: true,
};

export const meta = (index: number, term: number, state: ConfState = conf(1, 2, 3)): SnapshotMetadata => ({
  index,
  term,
  confState: state,
});

/** Deterministic bytes that differ from place to place. */
export function pattern(length: number, seed = 1): Uint8Array {
  const made = new Uint8Array(length);
  let state = seed >>> 0;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    made[i] = state >>> 24;
  }
  return made;
}

/** Receives a whole snapshot from nobody in particular. */
export async function receive(
  storage: Storage,
  metadata: SnapshotMetadata,
  chunks: readonly Uint8Array[] = [bytes('state')],
): Promise<StoredSnapshot> {
  const writer = await storage.receiveSnapshot(metadata);
  for (const chunk of chunks) await writer.write(chunk);
  return writer.commit();
}

/** Makes a whole snapshot. */
export async function create(
  storage: Storage,
  metadata: SnapshotMetadata,
  chunks: readonly Uint8Array[] = [bytes('state')],
): Promise<StoredSnapshot> {
  const writer = await storage.createSnapshot(metadata);
  for (const chunk of chunks) await writer.write(chunk);
  return writer.commit();
}
