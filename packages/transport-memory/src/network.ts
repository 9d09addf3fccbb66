/** The simulated network: who is on it, who is connected, and what goes wrong on the way. */
import {
  assertSafeInteger,
  BalsaError,
  decodeMessage,
  LogLevel,
  type Env,
  type Message,
  type MessageType,
  type NodeId,
  type SnapshotSink,
  type SnapshotSource,
  type SnapshotTransfer,
  type Transport,
} from '@balsa/raft-core';
import { parseMemoryAddress } from './address.ts';
import { cloneBytes, cloneConfState, cloneMessage, wireForm } from './clone-message.ts';
import { Reachability } from './faults.ts';
import { Link, type Parcel } from './link.ts';
import type { Envelope, MemoryNetwork, MemoryNetworkOptions, NetworkCounts } from './memory-network.ts';
import { MemoryTransport, type Switchboard } from './memory-transport.ts';
import { createRandom, type RandomSource } from './random.ts';
import { MemorySnapshotTransfer } from './snapshot-transfer.ts';

export function createMemoryNetwork(options: MemoryNetworkOptions): MemoryNetwork {
  return new SimulatedNetwork(options);
}

/** How long a message that is reordered is held back beyond its latency, at most, in milliseconds; more when latencies are longer. */
const leastReorderWindowMs = 10;

class SimulatedNetwork implements MemoryNetwork, Switchboard {
  readonly #env: Env;
  readonly #random: RandomSource;
  readonly #maxParcels: number;
  readonly #maxBytes: number;
  #latencyMin = 0;
  #latencyMax = 0;
  #loss = 0;
  #duplicate = 0;
  #reorder = 0;
  #filter: ((envelope: Envelope) => boolean) | undefined;
  readonly #faults = new Reachability();
  readonly #live = new Map<NodeId, MemoryTransport>();
  readonly #links = new Map<string, Link>();
  /** Of whose loss an endpoint is about to be told, so that losing both directions at once is one loss. */
  readonly #losses = new WeakMap<MemoryTransport, Set<NodeId>>();
  readonly #transfers = new Map<
    MemorySnapshotTransfer,
    readonly [from: MemoryTransport, to: MemoryTransport]
  >();
  readonly #refusedPairs = new Set<string>();
  readonly #counts = { lost: 0, duplicated: 0, reordered: 0, filtered: 0 };

  constructor(options: MemoryNetworkOptions) {
    this.#env = options.env;
    this.#random = createRandom(assertSafeInteger(options.seed ?? 0, 'seed', Number.MIN_SAFE_INTEGER));
    this.#maxParcels = assertSafeInteger(options.maxQueuedMessages ?? 4096, 'maxQueuedMessages', 1);
    this.#maxBytes = assertSafeInteger(options.maxQueuedBytes ?? 64 * 1024 * 1024, 'maxQueuedBytes', 1);
    const [min, max] = options.latencyMs ?? [0, 0];
    this.setLatency(min, max);
    this.setLoss(options.loss ?? 0);
    this.setDuplicate(options.duplicate ?? 0);
    this.setReorder(options.reorder ?? 0);
  }

  transport(nodeId: NodeId): Transport {
    return new MemoryTransport(assertSafeInteger(nodeId, 'nodeId', 1), this);
  }

  // --- faults

  partition(groups: readonly (readonly NodeId[])[]): void {
    this.#faults.partition(groups);
    this.topologyChanged();
  }

  isolate(id: NodeId): void {
    this.#faults.isolate(id);
    this.topologyChanged();
  }

  oneWay(from: NodeId, to: NodeId): void {
    this.#faults.block(from, to);
    this.topologyChanged();
  }

  heal(): void {
    this.#faults.heal();
    this.topologyChanged();
  }

  disconnect(a: NodeId, b: NodeId): void {
    for (const link of [this.#link(a, b), this.#link(b, a)]) {
      if (link.up) this.#breakLink(link, 'the connection was broken');
    }
    this.topologyChanged();
  }

  crash(id: NodeId): void {
    void this.#live.get(id)?.stop();
  }

  setLatency(minMs: number, maxMs: number): void {
    if (!(minMs >= 0 && maxMs >= minMs && Number.isFinite(maxMs))) {
      throw new BalsaError(
        'OUT_OF_RANGE',
        `latencyMs must be [min, max] with 0 <= min <= max, but is [${String(minMs)}, ${String(maxMs)}]`,
      );
    }
    this.#latencyMin = minMs;
    this.#latencyMax = maxMs;
  }

  setLoss(chance: number): void {
    this.#loss = assertChance(chance, 'loss');
  }

  setDuplicate(chance: number): void {
    this.#duplicate = assertChance(chance, 'duplicate');
  }

  setReorder(chance: number): void {
    this.#reorder = assertChance(chance, 'reorder');
  }

  setDropFilter(filter: ((envelope: Envelope) => boolean) | undefined): void {
    this.#filter = filter;
  }

  dropTypes(...types: readonly MessageType[]): void {
    const dropped = new Set(types);
    this.#filter = dropped.size === 0 ? undefined : ({ message }) => dropped.has(message.type);
  }

  counts(): NetworkCounts {
    return { ...this.#counts };
  }

  // --- what endpoints ask

  attach(endpoint: MemoryTransport): void {
    if (this.#live.has(endpoint.nodeId)) {
      throw new BalsaError(
        'ADDRESS_IN_USE',
        `node ${String(endpoint.nodeId)} is on this network already: stop or crash its transport first`,
      );
    }
    this.#live.set(endpoint.nodeId, endpoint);
    this.topologyChanged();
  }

  async detach(endpoint: MemoryTransport): Promise<void> {
    if (this.#live.get(endpoint.nodeId) === endpoint) this.#live.delete(endpoint.nodeId);
    this.topologyChanged();
    const mine: Promise<void>[] = [];
    for (const [transfer, ends] of this.#transfers) {
      if (!ends.includes(endpoint)) continue;
      transfer.fail(new BalsaError('STOPPED', `node ${String(endpoint.nodeId)} stopped`));
      // Only the receiver waits: the sink is its own, and must have been told before its store closes.
      if (ends[1] === endpoint) mine.push(transfer.settled);
    }
    await Promise.all(mine);
  }

  route(from: MemoryTransport, group: string, message: Message): void {
    const to = message.to;
    const link = this.#link(from.nodeId, to);
    const wire = this.#encode(from, message);
    if (wire === undefined) return;
    const bytes = wire.length;
    if (!link.up || !link.hasRoom(bytes)) {
      from.counters.droppedMessages++;
      if (link.shouldTell(group))
        this.#tell(from, (handler) => {
          handler.onUnreachable(group, to);
        });
      return;
    }
    from.counters.sentMessages++;
    from.counters.sentBytes += bytes;
    if (this.#filter?.({ from: from.nodeId, to, group, message }) === true) {
      this.#counts.filtered++;
      return;
    }
    if (this.#happens(this.#loss)) {
      this.#counts.lost++;
      return;
    }
    this.#dispatch(link, { kind: 'message', group, message: decodeMessage(wire), bytes });
  }

  routeControl(from: MemoryTransport, group: string, peer: NodeId, frame: Uint8Array): boolean {
    const link = this.#link(from.nodeId, peer);
    if (!link.up || !link.hasRoom(frame.length)) return false;
    from.counters.sentBytes += frame.length;
    link.enqueue({ kind: 'control', group, frame: cloneBytes(frame), bytes: frame.length }, this.#latency());
    return true;
  }

  routeSnapshot(
    from: MemoryTransport,
    group: string,
    message: Message,
    source: SnapshotSource,
  ): SnapshotTransfer {
    const to = message.to;
    const what = `snapshot at index ${String(source.metadata.index)} of group ${group} from node ${String(from.nodeId)} to node ${String(to)}`;
    const receiver = this.#live.get(to);
    const link = this.#link(from.nodeId, to);
    const up = from.running !== undefined && link.up;
    const transfer = new MemorySnapshotTransfer({
      env: this.#env,
      what,
      source,
      latency: () => this.#latency(),
      offer: () => offerTo(receiver, group, from.nodeId, message, source),
      onChunk: (bytes) => {
        from.counters.sentBytes += bytes;
        if (receiver !== undefined) receiver.counters.receivedBytes += bytes;
      },
    });
    if (!up || receiver === undefined) {
      transfer.fail(new BalsaError('PEER_UNREACHABLE', `there is no connection to node ${String(to)}`));
      return transfer;
    }
    this.#transfers.set(transfer, [from, receiver]);
    void transfer.settled.then(() => this.#transfers.delete(transfer));
    return transfer;
  }

  connectedPeers(of: MemoryTransport): NodeId[] {
    const peers = [...of.peers.keys()].filter((peer) => this.#link(of.nodeId, peer).up);
    return peers.sort((a, b) => a - b);
  }

  /** Brings every link in line with who is there, whom they know and what reaches what. */
  topologyChanged(): void {
    for (const from of this.#live.values()) {
      for (const to of from.peers.keys()) this.#link(from.nodeId, to);
    }
    for (const link of this.#links.values()) {
      const up = this.#canConnect(link.from, link.to);
      if (link.up && !up) {
        this.#breakLink(link, 'the connection was lost');
      } else if (!link.up && up) {
        link.up = true;
        link.forgetTold();
      }
    }
  }

  /** Undefined, dropped and logged for what no wire could carry. */
  #encode(from: MemoryTransport, message: Message): Uint8Array | undefined {
    try {
      return wireForm(message);
    } catch (error) {
      from.counters.droppedMessages++;
      this.#env.log.log(
        LogLevel.Error,
        `node ${String(from.nodeId)} gave out a message that has no encoding`,
        { error },
      );
      return undefined;
    }
  }

  // --- connections

  #link(from: NodeId, to: NodeId): Link {
    const key = `${String(from)}>${String(to)}`;
    let link = this.#links.get(key);
    if (link === undefined) {
      link = new Link({
        env: this.#env,
        from,
        to,
        maxParcels: this.#maxParcels,
        maxBytes: this.#maxBytes,
        deliver: (parcels) => this.#live.get(to)?.receive(from, parcels),
      });
      this.#links.set(key, link);
    }
    return link;
  }

  #canConnect(fromId: NodeId, toId: NodeId): boolean {
    const from = this.#live.get(fromId);
    const to = this.#live.get(toId);
    const address = from?.peers.get(toId);
    if (from === undefined || to === undefined || address === undefined || fromId === toId) return false;
    const found = parseMemoryAddress(address);
    if (!this.#faults.reaches(fromId, toId)) return false;
    if (found === toId && from.running?.identity.clusterId === to.running?.identity.clusterId) return true;
    this.#refuse(from, toId, found);
    return false;
  }

  /** What a handshake would refuse; counted and logged once per pair. */
  #refuse(from: MemoryTransport, to: NodeId, found: NodeId): void {
    if (found !== to && !this.#live.has(found)) return;
    const pair = `${String(from.nodeId)}>${String(to)}`;
    if (this.#refusedPairs.has(pair)) return;
    this.#refusedPairs.add(pair);
    from.countRejected('HANDSHAKE_REFUSED');
    const why =
      found === to ? 'it belongs to another cluster' : `node ${String(found)} answers at that address`;
    this.#env.log.log(LogLevel.Warn, `node ${String(from.nodeId)} cannot talk to node ${String(to)}: ${why}`);
  }

  #breakLink(link: Link, why: string): void {
    link.up = false;
    link.clear();
    link.forgetTold();
    this.#tellOfLoss(link.from, link.to);
    this.#tellOfLoss(link.to, link.from);
    for (const [transfer, [from, to]] of this.#transfers) {
      const touched =
        (from.nodeId === link.from && to.nodeId === link.to) ||
        (from.nodeId === link.to && to.nodeId === link.from);
      if (touched)
        transfer.fail(
          new BalsaError('PEER_UNREACHABLE', `${why} (${String(link.from)} to ${String(link.to)})`),
        );
    }
  }

  #tellOfLoss(who: NodeId, about: NodeId): void {
    const endpoint = this.#live.get(who);
    if (endpoint === undefined) return;
    const told = this.#losses.get(endpoint) ?? new Set();
    if (told.has(about)) return;
    this.#losses.set(endpoint, told.add(about));
    this.#env.setTimer(0, () => {
      told.delete(about);
      endpoint.running?.handler.onDisconnect(about);
    });
  }

  /** Calls back after the present turn, so that nothing is ever re-entered from inside a call to the transport. */
  #tell(
    endpoint: MemoryTransport,
    call: (handler: NonNullable<MemoryTransport['running']>['handler']) => void,
  ): void {
    this.#env.setTimer(0, () => {
      if (endpoint.running !== undefined) call(endpoint.running.handler);
    });
  }

  // --- chance

  #dispatch(link: Link, parcel: Parcel & { kind: 'message' }): void {
    if (this.#happens(this.#duplicate) && link.hasRoom(2 * parcel.bytes)) {
      this.#counts.duplicated++;
      link.stray({ ...parcel, message: cloneMessage(parcel.message) }, this.#latency() + this.#holdBack());
    }
    if (this.#happens(this.#reorder)) {
      this.#counts.reordered++;
      link.stray(parcel, this.#latency() + this.#holdBack());
    } else {
      link.enqueue(parcel, this.#latency());
    }
  }

  #happens(chance: number): boolean {
    return chance > 0 && this.#random() < chance;
  }

  #latency(): number {
    if (this.#latencyMax === this.#latencyMin) return this.#latencyMin;
    return this.#latencyMin + this.#random() * (this.#latencyMax - this.#latencyMin);
  }

  #holdBack(): number {
    return this.#random() * Math.max(leastReorderWindowMs, 2 * this.#latencyMax);
  }
}

async function offerTo(
  receiver: MemoryTransport | undefined,
  group: string,
  from: NodeId,
  message: Message,
  source: SnapshotSource,
): Promise<SnapshotSink> {
  const handler = receiver?.running?.handler;
  if (handler === undefined) throw new BalsaError('PEER_UNREACHABLE', 'the receiver is gone');
  const { index, term, confState } = source.metadata;
  return await handler.onSnapshot(group, from, cloneMessage(message), {
    metadata: { index, term, confState: cloneConfState(confState) },
    chunkCount: source.chunkCount,
    bytes: source.bytes,
    checksum: source.checksum,
  });
}

function assertChance(chance: number, name: string): number {
  if (!(chance >= 0 && chance <= 1))
    throw new BalsaError('OUT_OF_RANGE', `${name} is a chance from 0 to 1, but is ${String(chance)}`);
  return chance;
}
