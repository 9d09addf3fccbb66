/** Every entry that any node ever wrote: with it the logs of all nodes can be compared without keeping them. */
import { crc32 } from 'node:zlib';
import type { Entry, LogIndex, Term } from '@balsa/raft-core';

interface Known {
  readonly term: Term;
  /** Term of the entry before it; undefined where a node began behind a snapshot. */
  previous: Term | undefined;
  readonly digest: number;
}

export function entryDigest(entry: Entry): number {
  return crc32(entry.context, crc32(entry.data, entry.type + 1));
}

export class EntryBook {
  readonly #byIndex = new Map<LogIndex, Known[]>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  find(index: LogIndex, term: Term): Known | undefined {
    return this.#byIndex.get(index)?.find((one) => one.term === term);
  }

  /** Why the entry cannot be, given what others wrote; undefined when it can. */
  add(entry: Entry, previous: Term | undefined): string | undefined {
    const { index, term } = entry;
    const digest = entryDigest(entry);
    let list = this.#byIndex.get(index);
    if (list === undefined) this.#byIndex.set(index, (list = []));
    const known = list.find((one) => one.term === term);
    if (known === undefined) {
      list.push({ term, previous, digest });
      this.#size++;
      return undefined;
    }
    if (known.digest !== digest) return `two different entries have index ${index} and term ${term}`;
    if (previous === undefined) return undefined;
    known.previous ??= previous;
    if (known.previous === previous) return undefined;
    return `the entry at index ${index}, term ${term}, follows one of term ${known.previous} on one node and of term ${previous} on another`;
  }

  /**
   * The term at `index` in the log that ends with the entry (`from`, `term`). Undefined when the way there leads
   * through entries that were never seen.
   */
  termBelow(from: LogIndex, term: Term, index: LogIndex): Term | undefined {
    let at = term;
    for (let i = from; i > index; i--) {
      const previous = this.find(i, at)?.previous;
      if (previous === undefined) return undefined;
      at = previous;
    }
    return at;
  }
}
