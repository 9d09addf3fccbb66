/** A transport as its node sees it: messages are counted, held to what is durable, and kept back while a path is clogged. */
import {
  MessageType,
  type Message,
  type NodeId,
  type SnapshotSink,
  type SnapshotSource,
  type SnapshotTransfer,
  type Transport,
  type TransportHandler,
  type TransportIdentity,
  type TransportStats,
} from '@balsa/raft-core';
import type { Judge } from './judge.ts';
import type { Site } from './site.ts';

export interface TransportWatch {
  readonly judge: Judge;
  readonly site: Site;
  readonly onSend: (message: Message) => void;
  readonly onReceive: (message: Message) => void;
  /** Milliseconds for which the next message stays on its way beyond its time, past those that follow; mostly 0. */
  readonly lateMs: () => number;
  readonly later: (ms: number, deliver: () => void) => void;
  /** Runs `deliver` when the node is awake and the path from `from` is free; in order. */
  readonly deliver: (from: NodeId, deliver: () => void) => void;
  /** Whether a path that is cut looks to its sender as if all was well. */
  readonly silent: () => boolean;
  /** Resolves when the node is awake. */
  readonly awake: () => Promise<void>;
}

const leadersOnly: ReadonlySet<MessageType> = new Set([
  MessageType.MsgApp,
  MessageType.MsgHeartbeat,
  MessageType.MsgTimeoutNow,
]);

export class ObservedTransport implements Transport {
  readonly #inner: Transport;
  readonly #watch: TransportWatch;

  constructor(inner: Transport, watch: TransportWatch) {
    this.#inner = inner;
    this.#watch = watch;
  }

  start(identity: TransportIdentity, handler: TransportHandler): Promise<void> {
    const { deliver, onReceive, silent, awake } = this.#watch;
    return this.#inner.start(identity, {
      onMessages: (group, messages) => {
        const from = messages[0]?.from ?? 0;
        const give = (some: readonly Message[]): void => {
          for (const message of some) onReceive(message);
          handler.onMessages(group, some);
        };
        const punctual = this.#holdBack(messages, give);
        if (punctual.length > 0) deliver(from, () => give(punctual));
      },
      onControl: (group, from, frame) => deliver(from, () => handler.onControl(group, from, frame)),
      onDisconnect: (peer) => deliver(peer, () => handler.onDisconnect(peer)),
      onUnreachable: (group, peer) => {
        if (!silent()) deliver(peer, () => handler.onUnreachable(group, peer));
      },
      onSnapshot: async (group, from, message, source) => {
        await awake();
        onReceive(message);
        const sink = await handler.onSnapshot(group, from, message, source);
        return sleepySink(sink, awake);
      },
    });
  }

  #holdBack(messages: readonly Message[], give: (some: readonly Message[]) => void): readonly Message[] {
    const { lateMs, later } = this.#watch;
    return messages.filter((message) => {
      const ms = lateMs();
      if (ms > 0) later(ms, () => give([message]));
      return ms === 0;
    });
  }

  checkAddress(address: string): void {
    this.#inner.checkAddress(address);
  }

  setPeer(peer: NodeId, address: string): void {
    this.#inner.setPeer(peer, address);
  }

  removePeer(peer: NodeId): void {
    this.#inner.removePeer(peer);
  }

  send(group: string, messages: readonly Message[]): void {
    for (const message of messages) {
      this.#check(message);
      this.#watch.onSend(message);
    }
    this.#inner.send(group, messages);
  }

  sendControl(group: string, peer: NodeId, frame: Uint8Array): boolean {
    return this.#inner.sendControl(group, peer, frame);
  }

  sendSnapshot(group: string, message: Message, source: SnapshotSource): SnapshotTransfer {
    this.#watch.onSend(message);
    return this.#inner.sendSnapshot(group, message, source);
  }

  stats(): TransportStats {
    return this.#inner.stats();
  }

  stop(): Promise<void> {
    return this.#inner.stop();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#inner.stop();
  }

  /** What a message promises must be durable before it leaves. */
  #check(message: Message): void {
    const { judge, site } = this.#watch;
    const { model, id } = site;
    const { type, term, index, reject, to } = message;
    if (leadersOnly.has(type)) judge.checkSpeaker(site, message);
    if (type === MessageType.MsgTimeoutNow) judge.checkHandover(site, to);
    if (reject) return;
    if (type === MessageType.MsgAppResp && index > model.last) {
      judge.complain(
        'I12 ReadyContract',
        `node ${id} acknowledges entries up to ${index} to node ${to}, but ${model.last} is the last that is durable`,
      );
    }
    if (type === MessageType.MsgAppResp) judge.checkAcknowledgement(site, message);
    if (type === MessageType.MsgVote && (model.hardState.term !== term || model.hardState.vote !== id)) {
      // One that asks for votes of an older term asks in vain.
      if (model.hardState.term > term) return;
      judge.complain(
        'I12 ReadyContract',
        `node ${id} asks node ${to} for its vote of term ${term}, but durable is term ${model.hardState.term}, vote ${model.hardState.vote}`,
      );
    }
    if (type === MessageType.MsgVoteResp) {
      const durable = model.hardState;
      const kept = durable.term > term || (durable.term === term && durable.vote === to);
      if (!kept) {
        judge.complain(
          'I12 ReadyContract',
          `node ${id} grants its vote of term ${term} to node ${to}, but durable is term ${durable.term}, vote ${durable.vote}`,
        );
      }
    }
  }
}

function sleepySink(sink: SnapshotSink, awake: () => Promise<void>): SnapshotSink {
  return {
    get nextChunk() {
      return sink.nextChunk;
    },
    write: async (chunk) => {
      await awake();
      await sink.write(chunk);
    },
    finish: async () => {
      await awake();
      await sink.finish();
    },
    abort: async (cause) => {
      await awake();
      await sink.abort(cause);
    },
  };
}
