/**
 * Keeps a wiped member from coming back under its old id.
 *
 * A member whose disk was emptied has forgotten its votes and what it acknowledged; believed again, it
 * could help to elect two leaders in one term or to lose a committed entry (paper §5.2, §5.4). Given
 * bootstrap again it cannot tell by itself. But its store has another incarnation. So each member remembers,
 * durably, the first store incarnation that it met under an id, and listens to no other.
 *
 * After each loss of a connection the peer has to say its incarnation again; until it has, its messages
 * are held back, up to a bound.
 */
import { LogLevel, type Env, type Message, type NodeId, type Transport } from '@balsa/raft-core';
import type { AddressBook } from './address-book.ts';
import { encodeFrame } from './forwarding.ts';
import type { MetricsRecorder } from './metrics.ts';

export interface IntroductionsOptions {
  readonly group: string;
  readonly transport: Transport;
  readonly book: AddressBook;
  readonly env: Env;
  readonly metrics: MetricsRecorder;
  /** Of this node's store. */
  readonly incarnation: string;
  /** Messages that were held back and may be heard now. */
  readonly onReleased: (messages: readonly Message[]) => void;
  readonly onError: (error: unknown) => void;
}

/** Messages held back for one peer that has not introduced itself. */
const maxHeld = 256;
/** Peers for which anything is held back; ids come from the wire. */
const maxStrangers = 64;

export class Introductions {
  readonly #options: IntroductionsOptions;
  /** Peers that said, on their present connection, who they are, and were right. */
  readonly #met = new Set<NodeId>();
  readonly #impostors = new Set<NodeId>();
  readonly #held = new Map<NodeId, Message[]>();
  /** Peers that were told, on the present connection, who this node is. */
  readonly #told = new Set<NodeId>();

  constructor(options: IntroductionsOptions) {
    this.#options = options;
  }

  /** Whether `peer` is who it was when this node first met it. */
  knows(peer: NodeId): boolean {
    return this.#met.has(peer);
  }

  /** Those of the messages that may be heard now; the others are held back or dropped. */
  filter(messages: readonly Message[]): readonly Message[] {
    if (messages.every((message) => this.#met.has(message.from))) return messages;
    return messages.filter((message) => {
      if (this.#met.has(message.from)) return true;
      this.#hold(message);
      return false;
    });
  }

  /** The peer says its store incarnation. */
  async onHello(peer: NodeId, incarnation: string): Promise<void> {
    const { book, env, metrics, onReleased, onError } = this.#options;
    const known = book.incarnation(peer);
    if (known !== undefined && known !== incarnation) {
      metrics.rejected('STORE_IDENTITY_MISMATCH');
      this.#met.delete(peer);
      this.#held.delete(peer);
      if (this.#impostors.has(peer)) return;
      this.#impostors.add(peer);
      env.log.log(
        LogLevel.Error,
        `node ${String(peer)} came back with an empty store under its old id and is not listened to: remove the member and add a new one with a new id`,
        { peer, known, incarnation },
      );
      return;
    }
    try {
      await book.recordIncarnation(peer, incarnation);
    } catch (error) {
      onError(error);
      return;
    }
    this.#impostors.delete(peer);
    this.#met.add(peer);
    const held = this.#held.get(peer) ?? [];
    this.#held.delete(peer);
    if (held.length > 0) onReleased(held);
  }

  onDisconnect(peer: NodeId): void {
    this.#met.delete(peer);
    this.#held.delete(peer);
    this.#told.delete(peer);
  }

  /** Tells whoever is newly connected who this node is, and where the members are that it knows. */
  tick(): void {
    const { transport, group, incarnation, book } = this.#options;
    for (const peer of transport.stats().connectedPeers) {
      if (this.#told.has(peer)) continue;
      if (!transport.sendControl(group, peer, encodeFrame({ type: 'hello', incarnation }))) continue;
      this.#told.add(peer);
      transport.sendControl(group, peer, encodeFrame({ type: 'members', members: book.members }));
    }
  }

  #hold(message: Message): void {
    if (this.#impostors.has(message.from)) {
      this.#options.metrics.rejected('STORE_IDENTITY_MISMATCH');
      return;
    }
    let held = this.#held.get(message.from);
    if (held === undefined) {
      if (this.#held.size >= maxStrangers) return;
      this.#held.set(message.from, (held = []));
    }
    if (held.length < maxHeld) held.push(message);
  }
}
