/**
 * The acknowledgements that a leader sends to itself. In the synchronous mode they never leave the core, so that
 * one that has been dealt with can be sent again; in the asynchronous mode nobody gives any back.
 */
import { None } from './types.ts';
import { appendAck, type Message } from './message.ts';
import type { LogIndex, NodeId } from './types.ts';

/** The most that are kept: as many as are out at once, with any sensible number of proposals for each Ready. */
const mostSpare = 1024;

export class OwnAcks {
  readonly #spare: Message[] = [];

  make(id: NodeId, index: LogIndex): Message {
    const ack = this.#spare.pop();
    if (ack === undefined) return appendAck(id, index);
    ack.from = None;
    ack.index = index;
    return ack;
  }

  /** Nobody looks at `ack` any more. */
  giveBack(ack: Message): void {
    if (this.#spare.length < mostSpare) this.#spare.push(ack);
  }
}
