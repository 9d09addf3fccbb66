/** One direction between two nodes: what is under way, in order, and when it arrives. */
import type { Env, Message, NodeId, Timer } from '@balsa/raft-core';

export type Parcel =
  | { readonly kind: 'message'; readonly group: string; readonly message: Message; readonly bytes: number }
  | { readonly kind: 'control'; readonly group: string; readonly frame: Uint8Array; readonly bytes: number };

interface Pending {
  readonly due: number;
  readonly parcel: Parcel;
}

export interface LinkOptions {
  readonly env: Env;
  readonly from: NodeId;
  readonly to: NodeId;
  readonly maxParcels: number;
  readonly maxBytes: number;
  /** Takes what has arrived, in order. */
  readonly deliver: (parcels: readonly Parcel[]) => void;
}

/**
 * Parcels put through `enqueue` arrive in the order they were put in, whatever their latencies: a later
 * one waits for an earlier one, as on a stream. Those put through `stray` arrive on their own.
 */
export class Link {
  readonly from: NodeId;
  readonly to: NodeId;
  /** Whether there is a connection. Set by the network, which alone knows both ends. */
  up = false;
  readonly #options: LinkOptions;
  #queue: Pending[] = [];
  #timer: Timer | undefined;
  #lastDue = 0;
  #count = 0;
  #bytes = 0;
  readonly #strays = new Set<Timer>();
  /** Groups that have been told of the present loss or overflow. */
  readonly #told = new Set<string>();

  constructor(options: LinkOptions) {
    this.from = options.from;
    this.to = options.to;
    this.#options = options;
  }

  /** Whether one more parcel of this size is within the bounds. */
  hasRoom(bytes: number): boolean {
    return this.#count < this.#options.maxParcels && this.#bytes + bytes <= this.#options.maxBytes;
  }

  enqueue(parcel: Parcel, latencyMs: number): void {
    const due = Math.max(this.#options.env.now() + latencyMs, this.#lastDue);
    this.#lastDue = due;
    this.#take(parcel);
    this.#queue.push({ due, parcel });
    if (this.#timer === undefined) this.#arm();
  }

  stray(parcel: Parcel, latencyMs: number): void {
    this.#take(parcel);
    const timer = this.#options.env.setTimer(latencyMs, () => {
      this.#strays.delete(timer);
      this.#release(parcel);
      this.#options.deliver([parcel]);
    });
    this.#strays.add(timer);
  }

  /** True the first time it is asked for `group` since the connection came up or an overflow ended. */
  shouldTell(group: string): boolean {
    if (this.#told.has(group)) return false;
    this.#told.add(group);
    return true;
  }

  forgetTold(): void {
    this.#told.clear();
  }

  /** Everything under way is lost. */
  clear(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    for (const timer of this.#strays) timer.cancel();
    this.#strays.clear();
    this.#queue = [];
    this.#count = 0;
    this.#bytes = 0;
    this.#lastDue = 0;
  }

  #arm(): void {
    const head = this.#queue[0];
    if (head === undefined) return;
    this.#timer = this.#options.env.setTimer(Math.max(0, head.due - this.#options.env.now()), () => {
      this.#arrive();
    });
  }

  #arrive(): void {
    const now = this.#options.env.now();
    const arrived: Parcel[] = [];
    // The head has arrived because its timer says so, even where a clock reads a fraction early.
    for (let head = this.#queue[0]; head !== undefined; head = this.#queue[0]) {
      if (arrived.length > 0 && head.due > now) break;
      this.#queue.shift();
      this.#release(head.parcel);
      arrived.push(head.parcel);
    }
    this.#timer = undefined;
    this.#arm();
    if (this.up && this.#count * 2 <= this.#options.maxParcels) this.#told.clear();
    this.#options.deliver(arrived);
  }

  #take(parcel: Parcel): void {
    this.#count++;
    this.#bytes += parcel.bytes;
  }

  #release(parcel: Parcel): void {
    this.#count--;
    this.#bytes -= parcel.bytes;
  }
}
