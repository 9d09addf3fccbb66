/**
 * Messages through the codec, as two processes would pass them: encoded one behind another into the block that a
 * receiver reads into, decoded from there. Decoded payloads are parts of the block, which lives as long as one of
 * their entries does. The rival takes new memory for every encoded message, and copies the payloads out of it.
 */
import { decodeMessage, encodeMessage, messageSize, type Message } from '@balsa/raft-core';

/**
 * Three of the largest messages here (36 KB) fit, so that little is left over at the end; allocators commonly give
 * blocks of 128 KiB and more back to the system at once, and the next one then costs page faults.
 */
const blockBytes = 120 * 1024;

/** Not filled with zeros: every byte is written before it is read. */
function takeBlock(bytes: number): Uint8Array {
  return new Uint8Array(Buffer.allocUnsafeSlow(bytes).buffer);
}

export class Wire {
  #block: Uint8Array = takeBlock(blockBytes);
  #at = 0;

  pass(message: Message): Message {
    const size = messageSize(message);
    if (size > this.#block.length - this.#at) {
      this.#block = takeBlock(Math.max(size, blockBytes));
      this.#at = 0;
    }
    const start = this.#at;
    this.#at = encodeMessage(message, this.#block, start);
    return decodeMessage(this.#block, start, this.#at);
  }
}
