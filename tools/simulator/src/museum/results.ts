/** What hunts came to, kept from one run to the next in docs/data/museum.json. */
import { crc32 } from 'node:zlib';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';

export interface Caught {
  readonly seeds: number;
  readonly seconds: number;
  readonly events: number;
  readonly rule: string;
  readonly message: string;
}

export interface Outcome {
  /** Of the text of the patch: what was found with another one says nothing about this one. */
  readonly patch: string;
  /** Day of the hunt, and the processor it ran on. */
  readonly on: string;
  readonly seeds: number;
  readonly seconds: number;
  readonly caught: Caught | undefined;
}

export type Results = Map<string, Outcome>;

export function patchDigest(text: string): string {
  return crc32(text).toString(16).padStart(8, '0');
}

/** By name of the exhibit. */
export function readResults(file: string): Results {
  if (!existsSync(file)) return new Map();
  return new Map(Object.entries(JSON.parse(readFileSync(file, 'utf8')) as Record<string, Outcome>));
}

/** Adds to what is there, and leaves out what `keep` refuses. A shorter hunt that caught nothing does not undo a catch. */
export function mergeResults(file: string, found: Results, keep: (name: string) => boolean): Results {
  const known = readResults(file);
  const news = [...found].filter(([name, { patch, caught }]) => {
    const before = known.get(name);
    return caught !== undefined || before?.caught === undefined || before.patch !== patch;
  });
  const all = [...known, ...news].filter(([name]) => keep(name));
  const merged = new Map([...new Map(all)].sort(([a], [b]) => (a < b ? -1 : 1)));
  writeFileSync(file, `${JSON.stringify(Object.fromEntries(merged), undefined, 2)}\n`);
  return merged;
}
