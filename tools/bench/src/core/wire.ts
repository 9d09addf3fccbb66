/**
 * Messages through the codec, as two processes would pass them: encoded one behind another into the chunk
 * that a socket would deliver, decoded from there. Decoded payloads are views of the chunk, which lives as
 * long as one of them does.
 */
import { decodeMessage, encodeMessage, messageSize, type Message } from '@balsa/raft-core';

/** What a read from a socket brings at most. */
const chunkBytes = 64 * 1024;

export class Wire {
  #chunk: Uint8Array = new Uint8Array(chunkBytes);
  #at = 0;

  pass(message: Message): Message {
    const size = messageSize(message);
    if (size > this.#chunk.length - this.#at) {
      this.#chunk = new Uint8Array(Math.max(size, chunkBytes));
      this.#at = 0;
    }
    const start = this.#at;
    this.#at = encodeMessage(message, this.#chunk, start);
    return decodeMessage(this.#chunk, start, this.#at);
  }
}
