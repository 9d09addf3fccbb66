/**
 * Linearizable reads that wait for a round of heartbeats to confirm the leader (thesis §6.4).
 *
 * Every request gets a number; heartbeats carry the newest one, and its echo from a peer confirms this and
 * all earlier ones for that peer. Numbers are the core's own, never the caller's contexts: a repeated context
 * could otherwise be confirmed by an echo of its first use.
 */
import { CommittedInfinity } from './quorum/majority.ts';
import type { JointConfig } from './quorum/joint.ts';
import type { Message } from './message.ts';
import { EmptyBytes, type LogIndex, type NodeId } from './types.ts';

/** A request and the commit index when it came: what the reader must have applied. */
export interface PendingRead {
  readonly number: number;
  readonly request: Message;
  readonly index: LogIndex;
}

/** The most reads that may wait at one leader; more are dropped, and their callers ask again. */
export const maxPendingReads = 65_536;

/** Eight bytes, big endian. */
export function encodeReadNumber(number: number): Uint8Array {
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, Math.floor(number / 0x1_0000_0000));
  view.setUint32(4, number >>> 0);
  return bytes;
}

/** Undefined for what no leader can have sent. */
export function decodeReadNumber(context: Uint8Array): number | undefined {
  if (context.length !== 8) return undefined;
  const view = new DataView(context.buffer, context.byteOffset, 8);
  const number = view.getUint32(0) * 0x1_0000_0000 + view.getUint32(4);
  return Number.isSafeInteger(number) ? number : undefined;
}

export class ReadOnly {
  #lastNumber = 0;
  #queue: PendingRead[] = [];
  readonly #acks: Map<NodeId, number> = new Map();

  get pendingCount(): number {
    return this.#queue.length;
  }

  /** Queues a request that `self` confirms. Returns its number, for heartbeats; undefined when the queue is full. */
  add(request: Message, index: LogIndex, self: NodeId): number | undefined {
    if (this.#queue.length >= maxPendingReads) return undefined;
    const number = this.begin(self);
    this.#queue.push({ number, request, index });
    return number;
  }

  /** A round of heartbeats for no request. Returns its number. */
  begin(self: NodeId): number {
    this.#acks.set(self, ++this.#lastNumber);
    return this.#lastNumber;
  }

  /** The context of the newest request that waits; empty when none does. */
  lastContext(): Uint8Array {
    return this.#queue.length === 0 ? EmptyBytes : encodeReadNumber(this.#lastNumber);
  }

  /** A peer has echoed `context`. False when that says nothing new. */
  acknowledge(from: NodeId, context: Uint8Array): boolean {
    const number = decodeReadNumber(context);
    if (number === undefined || number > this.#lastNumber || number <= (this.#acks.get(from) ?? 0))
      return false;
    this.#acks.set(from, number);
    return true;
  }

  /** The highest number that a quorum of `voters` has confirmed; 0 when none. */
  confirmed(voters: JointConfig): number {
    const number = voters.committedIndex((id) => this.#acks.get(id));
    return number === CommittedInfinity ? 0 : number;
  }

  /** Takes the requests up to number `confirmed`, in order. */
  release(confirmed: number): readonly PendingRead[] {
    let count = 0;
    while ((this.#queue[count]?.number ?? Infinity) <= confirmed) count++;
    return count === 0 ? [] : this.#queue.splice(0, count);
  }
}
