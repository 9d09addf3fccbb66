/** A channel: one socket that carries frames, watched for life, closed exactly once. */
import type { Socket } from 'node:net';
import { BalsaError, LogLevel, toBalsaError, type Timer } from '@balsa/raft-core';
import { encodeFrame, FrameKind, FrameParser, preamble, type Frame } from './frame.ts';
import { maxHandshakeFrameBytes } from './handshake.ts';
import type { Shared } from './shared.ts';

export interface ChannelOptions {
  readonly shared: Shared;
  readonly socket: Socket;
  /** For log lines: which peer, which direction. */
  readonly name: string;
  /** Pings never come here. A BalsaError thrown closes the channel with it. */
  readonly onFrame: (frame: Frame) => void;
  /** After the frames of one piece of input: the time to hand on what was gathered. */
  readonly onBatchEnd?: () => void;
  /** The socket has room again after it was full. */
  readonly onDrain?: () => void;
  /** Called once, whoever closes and why. */
  readonly onClose: (error: BalsaError) => void;
}

export class Channel {
  readonly #options: ChannelOptions;
  readonly #shared: Shared;
  readonly #socket: Socket;
  readonly #parser: FrameParser;
  #closed = false;
  #greeted = false;
  #lastReceived: number;
  #lastSent: number;
  #deadline: Timer | undefined;
  #liveness: Timer | undefined;
  #linger: Timer | undefined;

  constructor(options: ChannelOptions) {
    this.#options = options;
    this.#shared = options.shared;
    this.#socket = options.socket;
    this.#lastReceived = this.#lastSent = options.shared.env.now();
    this.#parser = new FrameParser({
      maxFrameBytes: maxHandshakeFrameBytes,
      onFrame: (frame) => {
        if (frame.kind !== FrameKind.Ping && !this.#closed) options.onFrame(frame);
      },
    });
    this.#listen();
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Bytes given to the socket and not yet taken by the operating system. */
  get waitingBytes(): number {
    return this.#socket.writableLength;
  }

  /** Begins our direction: nothing can be sent before. */
  greet(frame: Buffer): void {
    this.#greeted = true;
    this.write(preamble);
    this.write(frame);
  }

  /** The channel closes with TIMEOUT unless `established` or another deadline comes first. */
  setDeadline(ms: number, what: string): void {
    this.#deadline?.cancel();
    this.#deadline = this.#shared.env.setTimer(ms, () => {
      this.close(
        new BalsaError('TIMEOUT', `${this.#options.name}: ${what} took longer than ${String(ms)} ms`),
      );
    });
  }

  /** The handshake is done: frames of full size are taken, and both sides watch each other. */
  established(): void {
    this.#deadline?.cancel();
    this.#parser.maxFrameBytes = this.#shared.limits.maxFrameBytes;
    this.#watch();
  }

  write(bytes: Uint8Array): void {
    if (this.#closed) return;
    this.#lastSent = this.#shared.env.now();
    this.#shared.counters.sentBytes += bytes.length;
    this.#socket.write(bytes);
  }

  /** Several pieces as one write of the operating system. */
  writeParts(parts: readonly Uint8Array[]): void {
    this.#socket.cork();
    for (const part of parts) this.write(part);
    this.#socket.uncork();
  }

  /** Ends it now; what waits in the socket is lost. Idempotent. */
  close(error: BalsaError): void {
    if (this.#closed) return;
    this.#end(error);
    this.#socket.destroy();
  }

  /** Sends a last frame and stays a little, so that the other side can read it before the connection goes. */
  closeWith(frame: Buffer, error: BalsaError): void {
    if (this.#closed) return;
    // A refusal may be the first thing we say; without the preamble it would not be understood.
    if (this.#greeted) this.write(frame);
    else this.greet(frame);
    this.#end(error);
    this.#socket.end();
    this.#linger = this.#shared.env.setTimer(this.#shared.limits.lingerMs, () => {
      this.#socket.destroy();
    });
  }

  #end(error: BalsaError): void {
    this.#closed = true;
    this.#parser.stop();
    this.#deadline?.cancel();
    this.#liveness?.cancel();
    const { log } = this.#shared.env;
    if (log.enabled(LogLevel.Debug))
      log.log(LogLevel.Debug, `${this.#options.name}: closed: ${error.message}`, { code: error.code });
    this.#options.onClose(error);
  }

  #listen(): void {
    const socket = this.#socket;
    this.#shared.sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => {
      this.#receive(chunk);
    });
    socket.on('drain', () => {
      if (!this.#closed) this.#options.onDrain?.();
    });
    // Listens on after the end as well: an error that nobody listens for would end the process.
    socket.on('error', (cause) => {
      this.close(new BalsaError('PEER_UNREACHABLE', `${this.#options.name}: ${cause.message}`, { cause }));
    });
    socket.on('close', () => {
      this.#shared.sockets.delete(socket);
      this.#linger?.cancel();
      this.close(
        new BalsaError('PEER_UNREACHABLE', `${this.#options.name}: the other side closed the connection`),
      );
    });
  }

  #receive(chunk: Buffer): void {
    if (this.#closed) return;
    this.#shared.counters.receivedBytes += chunk.length;
    this.#lastReceived = this.#shared.env.now();
    try {
      this.#parser.push(chunk);
    } catch (error) {
      this.#reject(error);
    }
    // What came before a bad frame is good, and is handed on.
    this.#options.onBatchEnd?.();
  }

  #reject(error: unknown): void {
    const known = toBalsaError(
      error,
      'WIRE_MALFORMED',
      `${this.#options.name}: a frame could not be handled`,
    );
    // A refused handshake is counted and logged by whoever refused it.
    if (known.code !== 'HANDSHAKE_REFUSED') {
      this.#shared.counters.reject(known);
      this.#shared.env.log.log(LogLevel.Warn, `${this.#options.name}: ${known.message}`, {
        code: known.code,
      });
    }
    this.close(known);
  }

  /** Looks twice per ping interval, so that the silence the other side hears never exceeds one. */
  #watch(): void {
    const { env, limits } = this.#shared;
    const half = limits.pingIntervalMs / 2;
    this.#liveness = env.setTimer(half, () => {
      const now = env.now();
      if (now - this.#lastReceived >= limits.idleTimeoutMs) {
        this.#suspectDead();
        return;
      }
      if (now - this.#lastSent >= half) this.write(encodeFrame(FrameKind.Ping, '', new Uint8Array(0)));
      this.#watch();
    });
  }

  /** When this process itself was held up, what the peer sent is waiting to be read: look again after that. */
  #suspectDead(): void {
    const { env, limits } = this.#shared;
    this.#liveness = env.setTimer(0, () => {
      if (env.now() - this.#lastReceived < limits.idleTimeoutMs) this.#watch();
      else
        this.close(
          new BalsaError(
            'PEER_UNREACHABLE',
            `${this.#options.name}: nothing was heard for ${String(limits.idleTimeoutMs)} ms`,
          ),
        );
    });
  }
}
