/**
 * What has been asked of the driver and not been answered: at most one read to send and one snapshot for
 * each peer, and one read to apply.
 */
import type { Fetch } from './core.ts';
import type { Entry, LogIndex, NodeId, Term } from './types.ts';

/** A read of entries for a peer. `term` is the leader's when it asked. */
export interface SendFetch {
  readonly fetch: Extract<Fetch, { purpose: 'send' }>;
  readonly term: Term;
}

export interface SnapshotFetch {
  readonly fetch: Extract<Fetch, { purpose: 'snapshot' }>;
  readonly term: Term;
  /** `next` of the peer when it was asked. */
  readonly next: LogIndex;
}

/** Committed entries that came from the store and wait to be handed out. */
export interface ApplyBuffer {
  readonly entries: readonly Entry[];
  /** The range asked for ended here. */
  readonly high: LogIndex;
}

export class FetchBook {
  /** To be handed out in the next Ready. */
  pending: Fetch[] = [];
  readonly sends: Map<NodeId, SendFetch> = new Map();
  readonly snapshots: Map<NodeId, SnapshotFetch> = new Map();
  apply: Extract<Fetch, { purpose: 'apply' }> | undefined;
  applyBuffer: ApplyBuffer | undefined;
  /** The last read to apply failed; the next tick lifts this. */
  applyBlocked = false;
  #nextId = 1;
  readonly #byId: Map<number, Fetch> = new Map();

  askSend(to: NodeId, term: Term, low: LogIndex, high: LogIndex, maxBytes: number): void {
    if (this.sends.has(to)) return;
    const fetch = { id: this.#nextId++, purpose: 'send', to, low, high, maxBytes } as const;
    this.sends.set(to, { fetch, term });
    this.#hand(fetch);
  }

  askSnapshot(to: NodeId, term: Term, next: LogIndex, minIndex: LogIndex): void {
    if (this.snapshots.has(to)) return;
    const fetch = { id: this.#nextId++, purpose: 'snapshot', to, minIndex } as const;
    this.snapshots.set(to, { fetch, term, next });
    this.#hand(fetch);
  }

  askApply(low: LogIndex, high: LogIndex, maxBytes: number): void {
    if (this.apply !== undefined) return;
    this.apply = { id: this.#nextId++, purpose: 'apply', low, high, maxBytes };
    this.#hand(this.apply);
  }

  /** What `id` asked for, once: a second answer, or one to a question that was withdrawn, finds nothing. */
  take(id: number): Fetch | undefined {
    const fetch = this.#byId.get(id);
    this.#byId.delete(id);
    return fetch;
  }

  get(id: number): Fetch | undefined {
    return this.#byId.get(id);
  }

  /** A change of role or term overtakes everything that was asked for peers. Late answers find nothing. */
  forgetSends(): void {
    if (this.sends.size === 0 && this.snapshots.size === 0) return;
    for (const { fetch } of this.sends.values()) this.#byId.delete(fetch.id);
    for (const { fetch } of this.snapshots.values()) this.#byId.delete(fetch.id);
    this.sends.clear();
    this.snapshots.clear();
    this.pending = this.pending.filter((fetch) => fetch.purpose === 'apply');
  }

  /** A removed peer is asked for no more. */
  forgetPeer(id: NodeId): void {
    const send = this.sends.get(id)?.fetch.id;
    const snapshot = this.snapshots.get(id)?.fetch.id;
    if (send === undefined && snapshot === undefined) return;
    if (send !== undefined) this.#byId.delete(send);
    if (snapshot !== undefined) this.#byId.delete(snapshot);
    this.sends.delete(id);
    this.snapshots.delete(id);
    this.pending = this.pending.filter((fetch) => fetch.id !== send && fetch.id !== snapshot);
  }

  /** A snapshot was restored: what was read to be applied lies below it. */
  forgetApply(): void {
    if (this.apply !== undefined) {
      const { id } = this.apply;
      this.#byId.delete(id);
      this.pending = this.pending.filter((fetch) => fetch.id !== id);
    }
    this.apply = undefined;
    this.applyBuffer = undefined;
    this.applyBlocked = false;
  }

  #hand(fetch: Fetch): void {
    this.#byId.set(fetch.id, fetch);
    this.pending.push(fetch);
  }
}
