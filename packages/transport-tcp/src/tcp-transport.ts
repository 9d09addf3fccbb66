/** The transport between processes. */
import { connect, createServer, type Server, type Socket } from 'node:net';
import {
  assertSafeInteger,
  BalsaError,
  LogLevel,
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
import { Acceptor } from './acceptor.ts';
import { Counters } from './counters.ts';
import {
  checkOptions,
  formatAddress,
  parseAddress,
  resolveLimits,
  type ServerFactory,
  type SocketFactory,
  type TcpLimits,
  type TcpTransportOptions,
} from './options.ts';
import { OutgoingPeer } from './outgoing-peer.ts';
import { describe, notify, type Shared } from './shared.ts';
import { SnapshotSender } from './snapshot-sender.ts';
import { TokenBucket } from './token-bucket.ts';

export interface TcpTransportStats extends TransportStats {
  /** Writes that carried messages or control frames; one carries all that was sent in a turn of the event loop. */
  readonly socketWrites: number;
  /** Peers whose message connection to us is open, ascending. `connectedPeers` are those ours is open to. */
  readonly incomingPeers: readonly NodeId[];
}

export interface TcpTransport extends Transport {
  /** `host:port` that it listens on, with the port taken when 0 was asked for. Throws `INVALID_ARGUMENT` when it does not listen. */
  address(): PeerAddress;
  stats(): TcpTransportStats;
}

/** Does nothing until `start`. Throws `INVALID_CONFIG`, `OUT_OF_RANGE` or `INVALID_ARGUMENT` for options that cannot work. */
export function createTcpTransport(options: TcpTransportOptions): TcpTransport {
  checkOptions(options);
  return new NodeTcpTransport(options);
}

const connectPlain: SocketFactory = ({ host, port }, onConnected) =>
  connect({ host, port, noDelay: true }, onConnected);
const servePlain: ServerFactory = (onConnection) => createServer({ noDelay: true }, onConnection);

/** What exists between `start` and `stop`. */
interface Running {
  readonly shared: Shared;
  readonly acceptor: Acceptor;
  readonly bucket: TokenBucket;
  readonly peers: Map<NodeId, OutgoingPeer>;
}

/** Pairs of group and unknown peer remembered as told, at most. */
const maxToldUnknown = 4096;

class NodeTcpTransport implements TcpTransport {
  readonly #options: TcpTransportOptions;
  readonly #limits: TcpLimits;
  readonly #counters = new Counters();
  readonly #addresses = new Map<NodeId, PeerAddress>();
  readonly #senders = new Set<SnapshotSender>();
  readonly #toldUnknown = new Set<string>();
  #server: Server | undefined;
  #running: Running | undefined;
  #starting: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;

  constructor(options: TcpTransportOptions) {
    this.#options = options;
    this.#limits = resolveLimits(options.limits);
    for (const [peer, address] of options.peers ?? []) this.setPeer(peer, address);
  }

  address(): PeerAddress {
    const bound = this.#server?.address();
    if (bound === undefined || bound === null || typeof bound === 'string') {
      throw new BalsaError('INVALID_ARGUMENT', 'the transport does not listen: start it first');
    }
    return formatAddress(bound.address, bound.port);
  }

  async start(identity: TransportIdentity, handler: TransportHandler): Promise<void> {
    if (this.#starting !== undefined || this.#stopping !== undefined) {
      throw new BalsaError('INVALID_ARGUMENT', 'a transport is started once only: make a new one');
    }
    this.#starting = this.#start(identity, handler);
    await this.#starting;
  }

  checkAddress(address: PeerAddress): void {
    parseAddress(address);
  }

  setPeer(peer: NodeId, address: PeerAddress): void {
    assertSafeInteger(peer, 'peer', 1);
    this.checkAddress(address);
    this.#addresses.set(peer, address);
    this.#toldUnknown.clear();
    const running = this.#running;
    if (running === undefined || peer === running.shared.identity.nodeId) return;
    const present = running.peers.get(peer);
    if (present === undefined) running.peers.set(peer, new OutgoingPeer(running.shared, peer, address));
    else present.setAddress(address);
  }

  removePeer(peer: NodeId): void {
    this.#addresses.delete(peer);
    const running = this.#running;
    if (running === undefined) return;
    running.peers.get(peer)?.close('the peer was removed');
    running.peers.delete(peer);
    running.acceptor.closePeer(peer, 'the peer was removed');
    for (const sender of [...this.#senders]) if (sender.peer === peer) sender.abort('the peer was removed');
  }

  send(group: string, messages: readonly Message[]): void {
    const running = this.#running;
    for (const message of messages) {
      const peer = running?.peers.get(message.to);
      if (peer !== undefined) peer.send(group, message);
      else this.#dropUnknown(group, message.to);
    }
  }

  sendControl(group: string, peer: NodeId, frame: Uint8Array): boolean {
    return this.#running?.peers.get(peer)?.sendControl(group, frame) ?? false;
  }

  sendSnapshot(group: string, message: Message, source: SnapshotSource): SnapshotTransfer {
    const running = this.#running;
    const address = this.#addresses.get(message.to);
    if (running === undefined)
      return failedTransfer(new BalsaError('STOPPED', 'the transport is not running'));
    if (address === undefined) {
      return failedTransfer(
        new BalsaError('PEER_UNREACHABLE', `node ${String(message.to)} has no address: call setPeer first`),
      );
    }
    if (this.#senders.size >= this.#limits.maxOutgoingSnapshots) {
      return failedTransfer(
        new BalsaError('OVERLOADED', `${String(this.#senders.size)} snapshots are being sent already`),
      );
    }
    try {
      const sender: SnapshotSender = new SnapshotSender({
        shared: running.shared,
        bucket: running.bucket,
        peer: message.to,
        address,
        group,
        message,
        source,
        onEnd: () => this.#senders.delete(sender),
      });
      this.#senders.add(sender);
      return sender;
    } catch (error) {
      return failedTransfer(error);
    }
  }

  stats(): TcpTransportStats {
    const running = this.#running;
    const connected = [...(running?.peers ?? [])].filter(([, peer]) => peer.connected).map(([id]) => id);
    return {
      ...this.#counters.snapshot(connected.sort((a, b) => a - b)),
      socketWrites: this.#counters.socketWrites,
      incomingPeers: (running?.acceptor.connectedPeers ?? []).sort((a, b) => a - b),
    };
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  // --- start

  async #start(identity: TransportIdentity, handler: TransportHandler): Promise<void> {
    const { env, authenticator } = this.#options;
    const peers = new Map<NodeId, OutgoingPeer>();
    const sockets = new Set<Socket>();
    const shared: Shared = {
      env,
      limits: this.#limits,
      counters: this.#counters,
      identity,
      handler,
      socketFactory: this.#options.socketFactory ?? connectPlain,
      authenticator,
      sockets,
      refusalsLogged: new Map(),
      stopped: () => this.#stopping !== undefined,
      onIncarnation: (peer, incarnation) => {
        acceptor.expectIncarnation(peer, incarnation);
        peers.get(peer)?.expectIncarnation(incarnation);
      },
    };
    const acceptor = new Acceptor(shared);
    const server = (this.#options.serverFactory ?? servePlain)((socket) => {
      acceptor.accept(socket);
    });
    this.#server = server;
    await this.#listen(server);
    // `stop` may have been called meanwhile; it waits for us, and then closes the server.
    if (this.#stopping !== undefined)
      throw new BalsaError('STOPPED', 'the transport was stopped while it started');
    this.#running = {
      shared,
      acceptor,
      bucket: new TokenBucket(env, this.#limits.snapshotBytesPerSecond),
      peers,
    };
    for (const [peer, address] of this.#addresses) this.setPeer(peer, address);
  }

  async #listen(server: Server): Promise<void> {
    const { host = '127.0.0.1', port } = this.#options.listen;
    await new Promise<void>((resolve, reject) => {
      server.once('error', (cause) => {
        reject(listenError(cause, host, port));
      });
      server.listen({ host, port }, resolve);
    });
    server.on('error', (error) => {
      this.#options.env.log.log(
        LogLevel.Error,
        `the listener at ${formatAddress(host, port)} reported an error`,
        { error },
      );
    });
  }

  // --- stop

  async #stop(): Promise<void> {
    // So that `#stopping` is set before anything is told.
    await Promise.resolve();
    await this.#starting?.catch(() => undefined);
    const running = this.#running;
    const server = this.#server;
    this.#running = undefined;
    const error = new BalsaError('STOPPED', 'the transport was stopped');
    for (const sender of [...this.#senders]) sender.fail(error);
    if (running !== undefined) {
      for (const peer of running.peers.values()) peer.close('the transport was stopped');
      const sinksTold = running.acceptor.stop(error);
      const closed = [...running.shared.sockets].map((socket) => destroyed(socket));
      await this.#within(sinksTold, 'telling the snapshot sinks');
      await this.#within(Promise.all(closed), 'closing the sockets');
    }
    if (server?.listening === true) {
      await this.#within(
        new Promise<void>((resolve) =>
          server.close(() => {
            resolve();
          }),
        ),
        'giving back the port',
      );
    }
  }

  /** Waits for `work`, but no longer than `stopTimeoutMs`. */
  async #within(work: Promise<unknown>, what: string): Promise<void> {
    const { env } = this.#options;
    await new Promise<void>((resolve) => {
      const timer = env.setTimer(this.#limits.stopTimeoutMs, () => {
        env.log.log(
          LogLevel.Warn,
          `stopping: ${what} took longer than ${String(this.#limits.stopTimeoutMs)} ms and was left alone`,
        );
        resolve();
      });
      void work.then(() => {
        timer.cancel();
        resolve();
      });
    });
  }

  #dropUnknown(group: string, peer: NodeId): void {
    this.#counters.droppedMessages++;
    const running = this.#running;
    const key = `${String(peer)}/${group}`;
    if (running === undefined || this.#toldUnknown.has(key) || this.#toldUnknown.size >= maxToldUnknown)
      return;
    this.#toldUnknown.add(key);
    this.#options.env.setTimer(0, () => {
      notify(running.shared, (handler) => {
        handler.onUnreachable(group, peer);
      });
    });
  }
}

function destroyed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.once('close', () => {
      resolve();
    });
    socket.destroy();
  });
}

function failedTransfer(cause: unknown): SnapshotTransfer {
  const done: Promise<void> = Promise.reject(
    new BalsaError('SNAPSHOT_TRANSFER_FAILED', `the snapshot was not sent: ${describe(cause)}`, { cause }),
  );
  done.catch(() => undefined);
  return { done, sentChunks: 0, abort: () => undefined };
}

function listenError(cause: Error & { readonly code?: string }, host: string, port: number): BalsaError {
  const at = formatAddress(host, port);
  if (cause.code === 'EADDRINUSE') {
    return new BalsaError(
      'ADDRESS_IN_USE',
      `port ${String(port)} is taken (${at}): stop what uses it, or choose another port`,
      {
        cause,
        details: { host, port },
      },
    );
  }
  return new BalsaError('INVALID_CONFIG', `cannot listen at ${at}: ${cause.message}`, {
    cause,
    details: { host, port },
  });
}
