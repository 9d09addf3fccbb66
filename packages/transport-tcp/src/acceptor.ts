/** The listening side: handshakes, and what becomes of the connections that pass. */
import type { Socket } from 'node:net';
import { BalsaError, type NodeId } from '@balsa/raft-core';
import { Channel } from './channel.ts';
import { judgeAuth, refuse } from './dial.ts';
import { encodeFrame, FrameKind, malformed, type Frame } from './frame.ts';
import { decodeHello, encodeHello, judgeHello, makeHello, type Hello } from './handshake.ts';
import { IncomingMessages } from './incoming-messages.ts';
import { notify, type Shared } from './shared.ts';
import { SnapshotReceiver } from './snapshot-receiver.ts';

/** What a connection does once its handshake is done. */
interface Role {
  onFrame(frame: Frame): void;
  onBatchEnd?(): void;
  onClose(error: BalsaError): void;
}

interface Incoming {
  readonly channel: Channel;
  readonly incarnation: string;
}

export class Acceptor {
  readonly #shared: Shared;
  readonly #channels = new Set<Channel>();
  /** The one message connection from each peer. */
  readonly #messages = new Map<NodeId, Incoming>();
  readonly #receivers = new Map<SnapshotReceiver, NodeId>();

  constructor(shared: Shared) {
    this.#shared = shared;
  }

  /** Message connections that peers opened to us. */
  get connectedPeers(): NodeId[] {
    return [...this.#messages.keys()];
  }

  accept(socket: Socket): void {
    const { limits } = this.#shared;
    if (this.#shared.stopped()) {
      socket.destroy();
      return;
    }
    let role: Role | undefined;
    const channel: Channel = new Channel({
      shared: this.#shared,
      socket,
      name: `connection from ${socket.remoteAddress ?? 'a closed socket'}:${String(socket.remotePort ?? 0)}`,
      onFrame: (frame) => {
        if (role === undefined) role = this.#shakeHands(channel, frame);
        else role.onFrame(frame);
      },
      onBatchEnd: () => role?.onBatchEnd?.(),
      onClose: (error) => {
        this.#channels.delete(channel);
        role?.onClose(error);
      },
    });
    this.#channels.add(channel);
    channel.setDeadline(limits.handshakeTimeoutMs, 'the handshake');
    if (this.#channels.size > limits.maxIncomingConnections) {
      const text = `node ${String(this.#shared.identity.nodeId)} takes no more than ${String(limits.maxIncomingConnections)} connections`;
      refuse(this.#shared, channel, { reason: 'limit', text }, 'limit');
    }
  }

  /** Connections from an earlier process of the peer are dead, whatever TCP believes. */
  expectIncarnation(peer: NodeId, incarnation: string): void {
    const present = this.#messages.get(peer);
    if (present === undefined || present.incarnation === incarnation) return;
    present.channel.close(new BalsaError('PEER_UNREACHABLE', `node ${String(peer)} was restarted`));
  }

  closePeer(peer: NodeId, why: string): void {
    const error = new BalsaError(
      'PEER_UNREACHABLE',
      `the connections from node ${String(peer)} were closed: ${why}`,
    );
    // Forgotten first, so that the loss is told after the call of the user that caused it.
    const present = this.#messages.get(peer);
    this.#messages.delete(peer);
    present?.channel.close(error);
    if (present !== undefined) {
      this.#shared.env.setTimer(0, () => {
        notify(this.#shared, (handler) => {
          handler.onDisconnect(peer);
        });
      });
    }
    for (const [receiver, from] of this.#receivers) if (from === peer) receiver.fail(error);
  }

  /** Fails everything; resolves once every sink has been told. */
  async stop(error: BalsaError): Promise<void> {
    const receivers = [...this.#receivers.keys()];
    for (const receiver of receivers) receiver.fail(error);
    for (const channel of [...this.#channels]) channel.close(error);
    await Promise.all(receivers.map((receiver) => receiver.settled));
  }

  #shakeHands(channel: Channel, frame: Frame): Role | undefined {
    if (frame.kind !== FrameKind.Hello) throw malformed('a connection does not begin with a hello');
    const theirs = decodeHello(frame.body);
    const { identity, limits, authenticator } = this.#shared;
    const refusal = judgeHello(theirs, identity, undefined) ?? judgeAuth(this.#shared, theirs);
    if (refusal !== undefined) {
      refuse(this.#shared, channel, refusal, `from ${String(theirs.nodeId)}`);
      return undefined;
    }
    const answer = makeHello({
      identity,
      peer: theirs.nodeId,
      purpose: theirs.purpose,
      maxFrameBytes: limits.maxFrameBytes,
      auth: authenticator?.offer(theirs.nodeId) ?? new Uint8Array(0),
    });
    channel.greet(encodeFrame(FrameKind.Welcome, '', encodeHello(answer)));
    channel.established();
    this.#shared.onIncarnation(theirs.nodeId, theirs.incarnation);
    return theirs.purpose === 'messages'
      ? this.#messagesFrom(channel, theirs)
      : this.#snapshotFrom(channel, theirs);
  }

  #messagesFrom(channel: Channel, theirs: Hello): Role {
    const peer = theirs.nodeId;
    // The newest wins: the peer dials again only when it holds the earlier one for dead.
    this.#messages
      .get(peer)
      ?.channel.close(new BalsaError('PEER_UNREACHABLE', `node ${String(peer)} opened a newer connection`));
    const incoming = { channel, incarnation: theirs.incarnation };
    this.#messages.set(peer, incoming);
    const reader = new IncomingMessages(this.#shared, peer);
    return {
      onFrame: (frame) => {
        reader.onFrame(frame);
      },
      onBatchEnd: () => {
        reader.handOn();
      },
      onClose: () => {
        // What came whole before the end is delivered before the loss is told.
        reader.handOn();
        if (this.#messages.get(peer) !== incoming) return;
        this.#messages.delete(peer);
        notify(this.#shared, (handler) => {
          handler.onDisconnect(peer);
        });
      },
    };
  }

  #snapshotFrom(channel: Channel, theirs: Hello): Role {
    const peer = theirs.nodeId;
    const receiver: SnapshotReceiver = new SnapshotReceiver({
      shared: this.#shared,
      channel,
      peer,
      admit: (group) => this.#admit(receiver, peer, group),
    });
    this.#receivers.set(receiver, peer);
    void receiver.settled.then(() => this.#receivers.delete(receiver));
    return receiver;
  }

  /**
   * Throws `OVERLOADED` when there are enough already. A peer sends one snapshot of a group at a time, so an
   * earlier one that seems alive is on a dead connection; it is ended first, and its sink settled, so
   * that the handler can resume what it holds.
   */
  async #admit(receiver: SnapshotReceiver, peer: NodeId, group: string): Promise<void> {
    const { limits, identity } = this.#shared;
    const others = [...this.#receivers].filter(([other]) => other !== receiver && other.active);
    const replaced = others.filter(([other, from]) => from === peer && other.group === group);
    if (others.length - replaced.length >= limits.maxIncomingSnapshots) {
      throw new BalsaError(
        'OVERLOADED',
        `node ${String(identity.nodeId)} receives ${String(limits.maxIncomingSnapshots)} snapshots already`,
      );
    }
    for (const [other] of replaced)
      other.fail(
        new BalsaError('ABORTED', `node ${String(peer)} began to send a snapshot of the group anew`),
      );
    await Promise.all(replaced.map(([other]) => other.settled));
  }
}
