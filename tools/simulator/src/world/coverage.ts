/** How often each thing happened. */
import { MessageType, messageTypeName } from '@balsa/raft-core';

export type CoverageKind = 'fault' | 'message' | 'state' | 'client' | 'error';

export type CoverageCounts = Readonly<Record<string, number>>;

export class Coverage {
  readonly #counts = new Map<string, number>();
  /** By type: messages are too many to be counted by name. */
  readonly #messages = new Array<number>(MessageType.MsgForgetLeader + 1).fill(0);

  count(kind: CoverageKind, name: string, by = 1): void {
    if (by === 0) return;
    const key = `${kind} ${name}`;
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + by);
  }

  message(type: MessageType): void {
    this.#messages[type] = (this.#messages[type] ?? 0) + 1;
  }

  toJSON(): CoverageCounts {
    const all = [...this.#counts];
    for (const [type, count] of this.#messages.entries()) {
      if (count > 0) all.push([`message ${messageTypeName(type as MessageType)}`, count]);
    }
    return Object.fromEntries(all.sort(([a], [b]) => (a < b ? -1 : 1)));
  }
}
