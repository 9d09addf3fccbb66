/** Opening a connection to a peer, up to the end of the handshake. */
import { Socket } from 'node:net';
import { toBalsaError, type BalsaError, type NodeId, type PeerAddress } from '@balsa/raft-core';
import { Channel } from './channel.ts';
import { encodeFrame, FrameKind, malformed, type Frame } from './frame.ts';
import {
  decodeHello,
  decodeRefusal,
  encodeHello,
  encodeRefusal,
  judgeHello,
  makeHello,
  refusalError,
  type ConnectionPurpose,
  type Hello,
  type Refusal,
} from './handshake.ts';
import { parseAddress } from './options.ts';
import { describe, warnOfRefusal, type Shared } from './shared.ts';

export interface DialOptions {
  readonly shared: Shared;
  readonly peer: NodeId;
  readonly address: PeerAddress;
  readonly purpose: ConnectionPurpose;
  /** The handshake is done. */
  readonly onOpen: (theirs: Hello) => void;
  readonly onFrame: (frame: Frame) => void;
  readonly onDrain?: () => void;
  /** Called once, whether it was ever open or not. */
  readonly onClose: (error: BalsaError) => void;
}

/** Never throws; what goes wrong comes through `onClose`, but never from inside this call. */
export function dial(options: DialOptions): Channel {
  const { shared, peer, purpose } = options;
  const { host, port } = parseAddress(options.address);
  const { limits, authenticator } = shared;
  let open = false;
  const greet = (): void => {
    channel.setDeadline(limits.handshakeTimeoutMs, 'the handshake');
    try {
      const auth = authenticator?.offer(peer) ?? new Uint8Array(0);
      const hello = makeHello({
        identity: shared.identity,
        peer,
        purpose,
        maxFrameBytes: limits.maxFrameBytes,
        auth,
      });
      channel.greet(encodeFrame(FrameKind.Hello, '', encodeHello(hello)));
    } catch (error) {
      channel.close(toBalsaError(error, 'HANDSHAKE_REFUSED', `the authenticator failed: ${describe(error)}`));
    }
  };
  const channel: Channel = new Channel({
    shared,
    socket: openSocket(shared, host, port, greet),
    name: `${purpose} connection to node ${String(peer)} at ${options.address}`,
    onFrame: (frame) => {
      if (open) {
        options.onFrame(frame);
        return;
      }
      const theirs = readAnswer(shared, channel, peer, frame);
      if (theirs === undefined) return;
      open = true;
      channel.established();
      shared.onIncarnation(peer, theirs.incarnation);
      options.onOpen(theirs);
    },
    ...(options.onDrain === undefined ? {} : { onDrain: options.onDrain }),
    onClose: options.onClose,
  });
  channel.setDeadline(limits.connectTimeoutMs, 'connecting');
  return channel;
}

/** A factory that throws gives a socket that is broken from the start, so that there is one way to fail. */
function openSocket(shared: Shared, host: string, port: number, onConnected: () => void): Socket {
  try {
    return shared.socketFactory({ host, port }, onConnected);
  } catch (error) {
    return new Socket().destroy(error instanceof Error ? error : new Error(String(error)));
  }
}

/** Their hello when all is well; otherwise the channel is closed. */
function readAnswer(shared: Shared, channel: Channel, peer: NodeId, frame: Frame): Hello | undefined {
  if (frame.kind === FrameKind.Refusal) {
    const { reason, text } = decodeRefusal(frame.body);
    const error = refusalError(reason, text, 'them');
    shared.counters.reject(error);
    warnOfRefusal(
      shared,
      `to ${String(peer)}`,
      `node ${String(peer)} refused the connection: ${text}`,
      reason,
    );
    channel.close(error);
    return undefined;
  }
  if (frame.kind !== FrameKind.Welcome)
    throw malformed('a handshake was answered with a frame of another kind');
  const theirs = decodeHello(frame.body);
  const refusal = judgeHello(theirs, shared.identity, peer) ?? judgeAuth(shared, theirs);
  if (refusal === undefined) return theirs;
  refuse(shared, channel, refusal, `to ${String(peer)}`);
  return undefined;
}

export function judgeAuth(shared: Shared, theirs: Hello): Refusal | undefined {
  if (shared.authenticator?.verify(theirs.nodeId, theirs.auth) !== false) return undefined;
  return { reason: 'auth', text: `node ${String(theirs.nodeId)} did not prove that it may join in` };
}

/** Says no, so that both sides can log why; `counterpart` tells whether the same was logged before. */
export function refuse(shared: Shared, channel: Channel, refusal: Refusal, counterpart: string): void {
  const error = refusalError(refusal.reason, refusal.text, 'us');
  shared.counters.reject(error);
  warnOfRefusal(shared, counterpart, `a connection was refused: ${refusal.text}`, refusal.reason);
  channel.closeWith(encodeFrame(FrameKind.Refusal, '', encodeRefusal(refusal)), error);
}
