/** What was applied, by whoever applied it first: every other node must apply the same. */
import { crc32 } from 'node:zlib';
import type { Command, LogIndex } from '@balsa/raft-core';
import { KvBook } from './kv-book.ts';

export class AppliedBook {
  /** Digest of the command at each index; 0 where there is none. */
  readonly #commands: number[] = [0, 0];
  readonly #snapshots = new Map<LogIndex, string>();
  /** What the commands mean. */
  readonly kv: KvBook = new KvBook();

  get top(): LogIndex {
    return this.#commands.length - 1;
  }

  /** Why what a node applies after `from` up to `to` cannot be; undefined when it can. */
  check(from: LogIndex, to: LogIndex, commands: readonly Command[]): string | undefined {
    let next = 0;
    for (let index = from + 1; index <= to; index++) {
      const command = commands[next];
      const has = command?.index === index;
      if (has) next++;
      const digest = has ? crc32(command.data, command.term + 1) || 1 : 0;
      const known = this.#commands[index];
      if (known === undefined) {
        this.#commands.push(digest);
        if (has && !this.kv.applied(index, command.data)) return `nobody proposed its command at ${index}`;
      } else if (known !== digest) {
        if (digest === 0) return `it skips the command at ${index}`;
        return known === 0
          ? `it applies a command at ${index}, where there is none`
          : `its command at ${index} is another`;
      }
    }
    return next === commands.length ? undefined : `it applies a command outside of ${from + 1} to ${to}`;
  }

  /** The same state gives the same bytes: false when a snapshot of that index was different before. */
  sameSnapshot(index: LogIndex, digest: string): boolean {
    const known = this.#snapshots.get(index);
    if (known === undefined) this.#snapshots.set(index, digest);
    return known === undefined || known === digest;
  }
}
