/**
 * Transport: carries messages, control frames and snapshots between members.
 *
 * It may lose, delay, duplicate and reorder Raft messages; Raft copes. It never alters one: what
 * arrives damaged is dropped and counted. Nothing a peer sends makes it throw into its user.
 */
import type { Message } from '../message.ts';
import type { NodeId, SnapshotMetadata } from '../types.ts';

/** Who this process is on the wire. */
export interface TransportIdentity {
  readonly clusterId: string;
  readonly nodeId: NodeId;
  /** Random per start of the process. */
  readonly incarnation: string;
}

/** Where a peer listens: `host:port`, a path, a key of a simulated network; the transport's own form. */
export type PeerAddress = string;

/** What is to be sent beside a MsgSnap. */
export interface SnapshotSource {
  readonly metadata: SnapshotMetadata;
  readonly chunkCount: number;
  readonly bytes: number;
  /** CRC-32 over all chunks. */
  readonly checksum: number;
  chunk(n: number): Promise<Uint8Array>;
}

/** The receiving end of a snapshot, given by the runtime. Calls come one at a time, in order. */
export interface SnapshotSink {
  /** The first chunk that is still wanted: 0, or more when an earlier transfer is resumed. */
  readonly nextChunk: number;
  write(chunk: Uint8Array): Promise<void>;
  /** All chunks are there: verify and make durable. The transfer is reported done to the sender after this. */
  finish(): Promise<void>;
  /** The transfer broke. The sink keeps what it has for a resumption, or drops it. */
  abort(cause: unknown): Promise<void>;
}

export interface TransportHandler {
  /** Raft messages of one group from one peer, in the order of arrival. Must not throw. */
  onMessages(group: string, messages: readonly Message[]): void;
  /**
   * A frame of the runtime's own (forwarded proposals and their answers). Frames of one connection
   * arrive in the order sent, and after the loss of a connection `onDisconnect` comes before any later frame.
   */
  onControl(group: string, from: NodeId, frame: Uint8Array): void;
  /** The connection to or from `peer` that control frames travel on was lost. */
  onDisconnect(peer: NodeId): void;
  /** A message to `peer` could not be queued or sent. Called at most once per loss of a connection and per overflow. */
  onUnreachable(group: string, peer: NodeId): void;
  /** A peer offers a snapshot. Resolves with a sink, or rejects with the reason to refuse it. */
  onSnapshot(
    group: string,
    from: NodeId,
    message: Message,
    source: Omit<SnapshotSource, 'chunk'>,
  ): Promise<SnapshotSink>;
}

export interface SnapshotTransfer {
  /** Resolves when the receiver has verified and stored all of it; rejects with `SNAPSHOT_TRANSFER_FAILED` (cause kept). */
  readonly done: Promise<void>;
  /** Chunks acknowledged so far. */
  readonly sentChunks: number;
  abort(reason: string): void;
}

export interface TransportStats {
  readonly sentMessages: number;
  readonly receivedMessages: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  /** Messages dropped because a peer's queue was full or its connection down. */
  readonly droppedMessages: number;
  /** Frames refused, by error code. */
  readonly rejectedFrames: Readonly<Record<string, number>>;
  readonly connectedPeers: readonly NodeId[];
}

export interface Transport extends AsyncDisposable {
  /** Begins to listen and connect. Rejects with `ADDRESS_IN_USE` and the like. Called once. */
  start(identity: TransportIdentity, handler: TransportHandler): Promise<void>;
  /**
   * Throws `INVALID_ARGUMENT`, saying how one is written, for an address that is none of this transport's. Asked before
   * an address enters the log, which hands it to every member for ever. Says nothing about who answers there.
   */
  checkAddress(address: PeerAddress): void;
  /** Adds a peer or changes its address. Throws as `checkAddress` does. */
  setPeer(peer: NodeId, address: PeerAddress): void;
  /** Drops its queue and closes its connections. */
  removePeer(peer: NodeId): void;
  /**
   * Queues messages, each to its `to`; returns at once. Messages to one peer leave in order. When the
   * peer's bounded queue is full the message is dropped and `onUnreachable` called.
   */
  send(group: string, messages: readonly Message[]): void;
  /** Queues a control frame. False when there is no connection or no room: it was not and will not be sent. */
  sendControl(group: string, peer: NodeId, frame: Uint8Array): boolean;
  /** Starts to send a snapshot on a stream of its own. `message` is the MsgSnap it belongs to. */
  sendSnapshot(group: string, message: Message, source: SnapshotSource): SnapshotTransfer;
  stats(): TransportStats;
  /** Idempotent. Settles transfers, closes sockets. */
  stop(): Promise<void>;
}
