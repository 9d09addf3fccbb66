/** Every membership that any node ever recorded, by the index at which it took effect. */
import type { LogIndex } from '@balsa/raft-core';

export class ConfBook {
  readonly #texts = new Map<LogIndex, string>();

  /** Takes note of it. Gives the membership of that index that another node has, if it differs. */
  clash(index: LogIndex, text: string): string | undefined {
    const known = this.#texts.get(index);
    if (known === undefined) this.#texts.set(index, text);
    return known === text ? undefined : known;
  }

  /** The newest at or below `upTo`. */
  newest(upTo: LogIndex): { readonly index: LogIndex; readonly text: string | undefined } {
    let index = 0;
    for (const at of this.#texts.keys()) if (at <= upTo && at > index) index = at;
    return { index, text: this.#texts.get(index) };
  }

  /** Where memberships like this took effect. */
  indexesOf(text: string): LogIndex[] {
    return [...this.#texts].filter(([, one]) => one === text).map(([index]) => index);
  }
}
