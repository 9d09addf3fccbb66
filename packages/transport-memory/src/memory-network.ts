/** The simulated network as its user sees it. */
import type { Env, Message, MessageType, NodeId, Transport } from '@balsa/raft-core';

export interface MemoryNetworkOptions {
  /** Time comes from here alone; a virtual one makes the whole network repeatable. */
  readonly env: Env;
  /** Safe integer; all chance comes from it. 0 by default. */
  readonly seed?: number;
  /** Least and greatest time of a hop, in milliseconds. [0, 0] by default. */
  readonly latencyMs?: readonly [min: number, max: number];
  /** Chance, 0 to 1, that a Raft message is lost. 0 by default. Control frames and snapshots travel on streams: never lost singly. */
  readonly loss?: number;
  /** Chance that a Raft message arrives twice, the second time later. 0 by default. */
  readonly duplicate?: number;
  /** Chance that a Raft message is held back so that later ones overtake it. 0 by default. */
  readonly reorder?: number;
  /** Messages and frames under way in one direction between two nodes. 4096 by default. */
  readonly maxQueuedMessages?: number;
  /** Their bytes. 64 MiB by default. */
  readonly maxQueuedBytes?: number;
}

/** One Raft message as a drop filter sees it. */
export interface Envelope {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly group: string;
  readonly message: Message;
}

/** What chance and filters did so far, in messages. */
export interface NetworkCounts {
  readonly lost: number;
  readonly duplicated: number;
  readonly reordered: number;
  readonly filtered: number;
}

/** Faults take effect at once for what is sent from then on; what breaks a connection also loses what is under way on it. */
export interface MemoryNetwork {
  /**
   * A new, not yet started end for `nodeId`. One of a node can be started at a time: stop or crash the
   * one before. Peers are named by `memoryAddress` (or the bare number).
   */
  transport(nodeId: NodeId): Transport;
  /** Only nodes of the same group reach each other; a node in no group reaches nobody. Replaces an earlier partition. */
  partition(groups: readonly (readonly NodeId[])[]): void;
  /** Cuts one node off, until `heal`. */
  isolate(id: NodeId): void;
  /** Nothing gets from `from` to `to` any more, until `heal`; the other direction stays as it is. */
  oneWay(from: NodeId, to: NodeId): void;
  /** Undoes `partition`, `isolate` and `oneWay`. Chances and filters stay. */
  heal(): void;
  /** Breaks the connections between two nodes for an instant; they come back at once. */
  disconnect(a: NodeId, b: NodeId): void;
  /** The node's process dies: its handler is never called again, its peers see the loss. */
  crash(id: NodeId): void;
  setLatency(minMs: number, maxMs: number): void;
  setLoss(chance: number): void;
  setDuplicate(chance: number): void;
  setReorder(chance: number): void;
  /** Raft messages for which it says true are lost. `undefined` removes it. */
  setDropFilter(filter: ((envelope: Envelope) => boolean) | undefined): void;
  /** A drop filter by type; none given removes it. */
  dropTypes(...types: readonly MessageType[]): void;
  counts(): NetworkCounts;
}
