/** Payloads that are ready before the clock runs: making them is the driver's work, not the core's. */

/**
 * More than are ever alive at once: the longest stretch without a compaction is 40,000 entries, and the
 * core's cache ends where the log does.
 */
const ringSize = 1 << 16;

/** A ring of payloads. Each one handed out differs from all before it: a counter is written into its first bytes. */
export class Payloads {
  readonly #ring: Uint8Array[] = [];
  readonly #heads: DataView;
  readonly #bytes: number;
  #count = 0;

  constructor(bytes: number) {
    this.#bytes = bytes;
    const slab = new Uint8Array(ringSize * bytes);
    let noise = 1;
    for (let i = 0; i < slab.length; i++) {
      noise = (Math.imul(noise, 1_103_515_245) + 12_345) >>> 0;
      slab[i] = noise >>> 24;
    }
    for (let i = 0; i < ringSize; i++) this.#ring.push(slab.subarray(i * bytes, (i + 1) * bytes));
    this.#heads = new DataView(slab.buffer);
  }

  next(): Uint8Array {
    const at = this.#count++ % ringSize;
    if (this.#bytes >= 4) this.#heads.setUint32(at * this.#bytes, this.#count);
    const payload = this.#ring[at];
    if (payload === undefined) throw new Error('the ring of payloads has a hole');
    return payload;
  }
}
