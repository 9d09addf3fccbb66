/** What comes from the network. Nothing that a peer sends is thrown further: it is refused and counted. */
import {
  BalsaError,
  isBalsaError,
  MessageType,
  plainEntry,
  type Message,
  type NodeId,
  type TransportHandler,
} from '@balsa/raft-core';
import { decodeFrame, type ControlFrame } from './forwarding.ts';
import { Introductions, type IntroductionsOptions } from './introductions.ts';
import type { SnapshotsIn } from './snapshots-in.ts';

export interface InboxOptions extends Omit<IntroductionsOptions, 'onReleased'> {
  readonly id: NodeId;
  readonly incoming: SnapshotsIn;
  readonly running: () => boolean;
  /** Messages that the core may be given, in order. */
  readonly onMessages: (messages: readonly Message[]) => void;
  readonly onFrame: (from: NodeId, frame: ControlFrame) => void;
  readonly onDisconnect: (peer: NodeId) => void;
  readonly onUnreachable: (peer: NodeId) => void;
}

/** Messages that only this node's own driver may give to its core. MsgSnap comes through `onSnapshot`. */
const refusedTypes: ReadonlySet<number> = new Set([
  MessageType.MsgProp,
  MessageType.MsgSnap,
  MessageType.MsgForgetLeader,
]);

export class Inbox {
  readonly introductions: Introductions;
  readonly #options: InboxOptions;

  constructor(options: InboxOptions) {
    this.#options = options;
    this.introductions = new Introductions({ ...options, onReleased: (messages) => this.hear(messages) });
  }

  handler(): TransportHandler {
    const { group: ours, incoming, running, onDisconnect, onUnreachable } = this.#options;
    const { introductions } = this;
    return {
      onMessages: (group, messages) => {
        if (this.#accepts(group)) this.hear(introductions.filter(messages));
      },
      onControl: (group, from, frame) => {
        if (this.#accepts(group)) this.#onControl(from, frame);
      },
      onDisconnect: (peer) => {
        if (!running()) return;
        introductions.onDisconnect(peer);
        onDisconnect(peer);
      },
      onUnreachable: (group, peer) => {
        if (running() && group === ours) onUnreachable(peer);
      },
      onSnapshot: async (group, from, message, source) => {
        if (!this.#accepts(group))
          throw new BalsaError('SNAPSHOT_TRANSFER_FAILED', `group ${group} is not served here`);
        if (!introductions.knows(from))
          throw new BalsaError('SNAPSHOT_TRANSFER_FAILED', `node ${String(from)} has not said who it is`);
        return await incoming.onOffer(from, message, source);
      },
    };
  }

  /** Messages of peers that are known to be who they say they are. */
  hear(messages: readonly Message[]): void {
    const { id, metrics, running, onMessages } = this.#options;
    if (!running() || messages.length === 0) return;
    const heard: Message[] = [];
    for (const message of messages) {
      if (message.to === id && !refusedTypes.has(message.type)) heard.push(withPlainEntries(message));
      else metrics.rejected('STEP_INVALID_MESSAGE');
    }
    onMessages(heard);
  }

  #accepts(group: string): boolean {
    if (!this.#options.running()) return false;
    if (group === this.#options.group) return true;
    this.#options.metrics.rejected('UNKNOWN_GROUP');
    return false;
  }

  #onControl(from: NodeId, bytes: Uint8Array): void {
    try {
      this.#options.onFrame(from, decodeFrame(bytes));
    } catch (error) {
      this.#options.metrics.rejected(isBalsaError(error) ? error.code : 'WIRE_MALFORMED');
    }
  }
}

/**
 * A store, or a transport that passes them on later, may clone entries or post them to a thread: a decoded entry
 * would not survive that. Their payloads are read right away in any case, for the write.
 */
function withPlainEntries(message: Message): Message {
  if (message.entries.length > 0) message.entries = message.entries.map(plainEntry);
  return message;
}
