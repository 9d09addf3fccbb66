/** One node's end of a simulated network. */
import {
  BalsaError,
  type Message,
  type NodeId,
  type PeerAddress,
  type SnapshotSource,
  type SnapshotTransfer,
  type Transport,
  type TransportHandler,
  type TransportIdentity,
  type TransportStats,
} from '@balsa/raft-core';
import { parseMemoryAddress } from './address.ts';
import type { Parcel } from './link.ts';

/** What an endpoint asks of the network it hangs on. */
export interface Switchboard {
  attach(endpoint: MemoryTransport): void;
  /** Breaks the endpoint's connections and resolves once its snapshot transfers have settled. */
  detach(endpoint: MemoryTransport): Promise<void>;
  topologyChanged(): void;
  route(from: MemoryTransport, group: string, message: Message): void;
  routeControl(from: MemoryTransport, group: string, peer: NodeId, frame: Uint8Array): boolean;
  routeSnapshot(
    from: MemoryTransport,
    group: string,
    message: Message,
    source: SnapshotSource,
  ): SnapshotTransfer;
  connectedPeers(of: MemoryTransport): NodeId[];
}

interface Running {
  readonly identity: TransportIdentity;
  readonly handler: TransportHandler;
}

export class MemoryTransport implements Transport {
  readonly nodeId: NodeId;
  readonly peers: Map<NodeId, PeerAddress> = new Map<NodeId, PeerAddress>();
  readonly counters = {
    sentMessages: 0,
    receivedMessages: 0,
    sentBytes: 0,
    receivedBytes: 0,
    droppedMessages: 0,
  };
  readonly #rejected = new Map<string, number>();
  readonly #network: Switchboard;
  #running: Running | undefined;
  #stopping: Promise<void> | undefined;

  constructor(nodeId: NodeId, network: Switchboard) {
    this.nodeId = nodeId;
    this.#network = network;
  }

  /** Defined between `start` and `stop`. */
  get running(): Running | undefined {
    return this.#running;
  }

  async start(identity: TransportIdentity, handler: TransportHandler): Promise<void> {
    if (this.#running !== undefined || this.#stopping !== undefined) {
      throw new BalsaError(
        'INVALID_ARGUMENT',
        `the transport of node ${String(this.nodeId)} is started once only: make a new one`,
      );
    }
    if (identity.nodeId !== this.nodeId) {
      throw new BalsaError(
        'INVALID_ARGUMENT',
        `this transport was made for node ${String(this.nodeId)}, not for node ${String(identity.nodeId)}`,
      );
    }
    this.#running = { identity, handler };
    try {
      this.#network.attach(this);
    } catch (error) {
      this.#running = undefined;
      throw error;
    }
  }

  checkAddress(address: PeerAddress): void {
    parseMemoryAddress(address);
  }

  setPeer(peer: NodeId, address: PeerAddress): void {
    this.checkAddress(address);
    this.peers.set(peer, address);
    this.#network.topologyChanged();
  }

  removePeer(peer: NodeId): void {
    this.peers.delete(peer);
    this.#network.topologyChanged();
  }

  send(group: string, messages: readonly Message[]): void {
    for (const message of messages) {
      if (this.#running === undefined) this.counters.droppedMessages++;
      else this.#network.route(this, group, message);
    }
  }

  sendControl(group: string, peer: NodeId, frame: Uint8Array): boolean {
    return this.#running !== undefined && this.#network.routeControl(this, group, peer, frame);
  }

  sendSnapshot(group: string, message: Message, source: SnapshotSource): SnapshotTransfer {
    return this.#network.routeSnapshot(this, group, message, source);
  }

  stats(): TransportStats {
    return {
      ...this.counters,
      rejectedFrames: Object.fromEntries(this.#rejected),
      connectedPeers: this.#network.connectedPeers(this),
    };
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #stop(): Promise<void> {
    if (this.#running === undefined) return;
    this.#running = undefined;
    await this.#network.detach(this);
  }

  countRejected(code: string): void {
    this.#rejected.set(code, (this.#rejected.get(code) ?? 0) + 1);
  }

  /** Hands over what arrived from `from`: neighbouring messages of one group in one call. */
  receive(from: NodeId, parcels: readonly Parcel[]): void {
    for (let at = 0; at < parcels.length;) {
      const first = parcels[at];
      // A handler may stop the transport; nothing more may reach it then.
      if (first === undefined || this.#running === undefined) return;
      this.counters.receivedBytes += first.bytes;
      at++;
      if (first.kind === 'control') {
        this.#running.handler.onControl(first.group, from, first.frame);
        continue;
      }
      const messages = [first.message];
      for (
        let next = parcels[at];
        next?.kind === 'message' && next.group === first.group;
        next = parcels[at]
      ) {
        this.counters.receivedBytes += next.bytes;
        messages.push(next.message);
        at++;
      }
      this.counters.receivedMessages += messages.length;
      this.#running.handler.onMessages(first.group, messages);
    }
  }
}
