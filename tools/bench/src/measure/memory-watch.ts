/** How much memory grew above what it was, at its highest: heap and buffers, garbage not yet collected included. */

const everyMs = 10;

function used(): number {
  // `external` counts the buffers.
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

export class MemoryWatch {
  readonly #start: number = used();
  #highest: number = this.#start;
  readonly #timer: NodeJS.Timeout = setInterval(() => {
    this.#highest = Math.max(this.#highest, used());
  }, everyMs);

  /** Bytes. */
  stop(): number {
    clearInterval(this.#timer);
    return Math.max(this.#highest, used()) - this.#start;
  }
}
