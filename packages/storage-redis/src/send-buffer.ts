/**
 * Memory for one large argument at a time, with room for the rest of its command before it: so it is sent without
 * being copied, and the next one lies in the same place. Allocating and freeing such memory for each write costs
 * more than all else that this end does for it.
 */

/** For all of a command but its last argument, and for what ends it. */
const roomBefore = 2048;
const roomBehind = 2;
const fewestBytes = 16 * 1024;
/** Memory for larger arguments is not kept. */
const keptBytes = 2 * 1024 * 1024;

/** An argument that lies in a `SendBuffer`, good until the next one is taken from there. */
export class Payload {
  readonly bytes: Buffer;
  readonly #memory: Buffer;

  constructor(memory: Buffer, length: number) {
    this.bytes = memory.subarray(roomBefore, roomBefore + length);
    this.#memory = memory;
  }

  /** The whole command. `front`, of ASCII, is all of it before the bytes; undefined when that is too long. */
  frame(front: string): Buffer | undefined {
    const begin = roomBefore - front.length;
    if (begin < 0) return undefined;
    const end = roomBefore + this.bytes.length;
    this.#memory.write(front, begin, 'latin1');
    this.#memory.write('\r\n', end, 'latin1');
    return this.#memory.subarray(begin, end + roomBehind);
  }
}

export class SendBuffer {
  #memory: Buffer | undefined;

  /** Only once the reply to the command with the argument before has come. */
  take(length: number): Payload {
    const bytes = roomBefore + length + roomBehind;
    if (bytes > keptBytes) return new Payload(Buffer.allocUnsafeSlow(bytes), length);
    if (this.#memory === undefined || this.#memory.length < bytes) {
      const size = Math.min(keptBytes, Math.max(fewestBytes, 2 ** Math.ceil(Math.log2(bytes))));
      this.#memory = Buffer.allocUnsafeSlow(size);
    }
    return new Payload(this.#memory, length);
  }
}
