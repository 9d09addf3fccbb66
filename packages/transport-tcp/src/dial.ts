/** Opening a connection to a peer, up to the end of the handshake. */
import { BalsaError, type NodeId, type PeerAddress } from '@balsa/raft-core';
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
import { warn, type Shared } from './shared.ts';

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
    const auth = authenticator?.offer(peer) ?? new Uint8Array(0);
    const hello = makeHello({ identity: shared.identity, peer, purpose, maxFrameBytes: limits.maxFrameBytes, auth });
    channel.greet(encodeFrame(FrameKind.Hello, '', encodeHello(hello)));
  };
  const channel: Channel = new Channel({
    shared,
    socket: shared.socketFactory({ host, port }, greet),
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

/** Their hello when all is well; otherwise the channel is closed. */
function readAnswer(shared: Shared, channel: Channel, peer: NodeId, frame: Frame): Hello | undefined {
  if (frame.kind === FrameKind.Refusal) {
    const { reason, text } = decodeRefusal(frame.body);
    const error = refusalError(reason, text, 'them');
    shared.counters.reject(error);
    warn(shared, `node ${String(peer)} refused the connection: ${text}`, { reason });
    channel.close(error);
    return undefined;
  }
  if (frame.kind !== FrameKind.Welcome) throw malformed('a handshake was answered with a frame of another kind');
  const theirs = decodeHello(frame.body);
  const refusal = judgeHello(theirs, shared.identity, peer) ?? judgeAuth(shared, theirs);
  if (refusal === undefined) return theirs;
  refuse(shared, channel, refusal);
  return undefined;
}

export function judgeAuth(shared: Shared, theirs: Hello): Refusal | undefined {
  if (shared.authenticator?.verify(theirs.nodeId, theirs.auth) !== false) return undefined;
  return { reason: 'auth', text: `node ${String(theirs.nodeId)} did not prove that it may join in` };
}

/** Says no, so that both sides can log why. */
export function refuse(shared: Shared, channel: Channel, refusal: Refusal): void {
  const error = refusalError(refusal.reason, refusal.text, 'us');
  shared.counters.reject(error);
  warn(shared, `a connection was refused: ${refusal.text}`, { reason: refusal.reason });
  channel.closeWith(encodeFrame(FrameKind.Refusal, '', encodeRefusal(refusal)), error);
}
