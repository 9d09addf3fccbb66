/** Every change of membership that any node ever wrote. */
import { EntryType, type Entry, type LogIndex, type Term } from '@balsa/raft-core';
import type { LogModel } from './log-model.ts';

export class ChangeBook {
  readonly #terms = new Map<LogIndex, Set<Term>>();

  /** Whether the entry of that index and term is a change of membership. */
  has(index: LogIndex, term: Term | undefined): boolean {
    return term !== undefined && this.#terms.get(index)?.has(term) === true;
  }

  /**
   * Takes note of what is written behind `log`. Changes come one at a time (thesis §4.1): gives what is wrong when one
   * comes behind another that nobody has committed.
   */
  add(entries: readonly Entry[], log: LogModel, committed: LogIndex): string | undefined {
    const first = entries[0]?.index ?? 0;
    for (const { index, term, type } of entries) {
      if (type === EntryType.Normal) continue;
      const terms = this.#terms.get(index);
      if (terms === undefined) this.#terms.set(index, new Set([term]));
      else terms.add(term);
      for (let below = index - 1; below > committed; below--) {
        const before = below < first ? log.term(below) : entries[below - first]?.term;
        if (!this.has(below, before)) continue;
        return `writes a change of membership at ${index}, behind the one at ${below}, which is not committed`;
      }
    }
    return undefined;
  }
}
