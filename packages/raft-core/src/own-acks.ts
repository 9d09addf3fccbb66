/**
 * The acknowledgements that a leader sends to itself, in the synchronous mode. They never leave the core, so that
 * each is noted as two numbers, and one message does for all when they arrive.
 */
import { Message, MessageType } from './message.ts';
import type { LogIndex, NodeId, Term } from './types.ts';

/** A queue: those that the Ready at the driver covers, then those that wait for the next one. */
export class OwnAcks {
  readonly #message: Message = new Message(MessageType.MsgAppResp);
  readonly #terms: Term[] = [];
  readonly #indexes: LogIndex[] = [];
  /** Positions in both lists: the next to arrive, one past the last that is covered, one past the last. */
  #next = 0;
  #covered = 0;
  #end = 0;

  constructor(id: NodeId) {
    this.#message.to = id;
    this.#message.from = id;
  }

  add(term: Term, index: LogIndex): void {
    this.#terms[this.#end] = term;
    this.#indexes[this.#end] = index;
    this.#end++;
  }

  /** Whether some wait for the next Ready. */
  get waiting(): boolean {
    return this.#end > this.#covered;
  }

  /** A Ready goes to the driver with all entries that were acknowledged. */
  cover(): void {
    this.#covered = this.#end;
  }

  /** The next one that is covered; its fields are those of another at the next call. */
  arrive(): Message | undefined {
    if (this.#next === this.#covered) {
      if (this.#next === this.#end) {
        this.#next = 0;
        this.#covered = 0;
        this.#end = 0;
      }
      return undefined;
    }
    const at = this.#next++;
    this.#message.term = this.#terms[at] ?? 0;
    this.#message.index = this.#indexes[at] ?? 0;
    return this.#message;
  }
}
