/**
 * Appends that bring nothing but a commit index, held back for a moment.
 *
 * A follower learns from one what it may apply, and hardly anybody waits for that. Where writes come one after another
 * the next append brings the same news, and the message, its answer and the wake-up at either end are saved. Raft allows
 * for any message to be late or lost; of several to one peer the last is sent for certain, and the news of a membership
 * change at once: until all members have it, they disagree on who they are, and a leader may be gone with it.
 */
import { MessageType, type ConfState, type Env, type Message, type NodeId } from '@balsa/raft-core';
import { allIds } from './membership.ts';

/** Of entries that come no further apart than so many times `holdMs`, the next are as good as on their way. */
const steady = 10;

class Peer {
  /** A newer one says all that it says. */
  held: Message | undefined;
  /** When the last two appends with entries went, in the time of Env. */
  #last = -Infinity;
  #before = -Infinity;

  sentEntries(now: number): void {
    this.#before = this.#last;
    this.#last = now;
    this.held = undefined;
  }

  isBusy(now: number, gapMs: number): boolean {
    return this.#last - this.#before <= gapMs && now - this.#last <= gapMs;
  }
}

export class CommitNews {
  readonly #env: Env;
  readonly #holdMs: number;
  readonly #isUrgent: () => boolean;
  readonly #send: (messages: readonly Message[]) => void;
  readonly #peers = new Map<NodeId, Peer>();
  #armed = false;

  /**
   * Held for `holdMs` milliseconds at most, 0 for not at all, and not while `isUrgent` says that a membership change is
   * under way; `send` is given what was held, in a turn of its own.
   */
  constructor(
    env: Env,
    holdMs: number,
    isUrgent: () => boolean,
    send: (messages: readonly Message[]) => void,
  ) {
    this.#env = env;
    this.#holdMs = holdMs;
    this.#isUrgent = isUrgent;
    this.#send = send;
  }

  /** Whether to send a message now. One that is held is sent later, unless another makes it needless. */
  admits(message: Message): boolean {
    if (message.type !== MessageType.MsgApp || this.#holdMs === 0) return true;
    const peer = this.#peer(message.to);
    const now = this.#env.now();
    if (message.entries.length > 0) {
      peer.sentEntries(now);
      return true;
    }
    if (!peer.isBusy(now, steady * this.#holdMs) || this.#isUrgent()) {
      peer.held = undefined;
      return true;
    }
    peer.held = message;
    this.#arm();
    return false;
  }

  /** Forgets those that are no members any more, and nothing that is held for them. */
  keep(confState: ConfState): void {
    const members = allIds(confState);
    for (const [id, peer] of this.#peers)
      if (!members.has(id) && peer.held === undefined) this.#peers.delete(id);
  }

  #peer(id: NodeId): Peer {
    let peer = this.#peers.get(id);
    if (peer === undefined) this.#peers.set(id, (peer = new Peer()));
    return peer;
  }

  #arm(): void {
    if (this.#armed) return;
    this.#armed = true;
    this.#env.setTimer(this.#holdMs, () => {
      this.#armed = false;
      const messages: Message[] = [];
      for (const peer of this.#peers.values()) {
        if (peer.held !== undefined) messages.push(peer.held);
        peer.held = undefined;
      }
      if (messages.length > 0) this.#send(messages);
    });
  }
}
