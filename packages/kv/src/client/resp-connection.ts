import { connect, type Socket } from 'node:net';
import { BalsaError, type Env, type Timer } from '@balsa/raft-core';
import { ReplyParser } from '../resp/reply-parser.ts';
import { encodeReply } from '../resp/reply-writer.ts';
import { array, bulk, type Reply } from '../resp/reply.ts';
import type { ListenAddress } from '../server/resp-server.ts';

interface Pending {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (problem: BalsaError) => void;
  readonly deadline: number;
}

export interface RespConnectionOptions {
  readonly address: ListenAddress;
  readonly env: Env;
  readonly connectTimeoutMs: number;
  /** A reply that takes longer breaks the connection: what comes later could not be told apart any more. */
  readonly callTimeoutMs: number;
}

/**
 * One pipelined connection to one server. What was sent when it breaks rejects with `UNKNOWN_OUTCOME`: the
 * server may have read it.
 */
export class RespConnection {
  readonly #socket: Socket;
  readonly #options: RespConnectionOptions;
  readonly #parser = new ReplyParser();
  readonly #pending: Pending[] = [];
  #timer: Timer | undefined;
  #closing = false;
  #broken: BalsaError | undefined;

  private constructor(socket: Socket, options: RespConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => {
      this.#receive(chunk);
    });
    socket.on('error', (cause) => {
      this.#break('the connection failed', cause);
    });
    socket.on('close', () => {
      this.#break('the connection was closed');
    });
  }

  /** Rejects with `PEER_UNREACHABLE`. */
  static async open(options: RespConnectionOptions): Promise<RespConnection> {
    const { address, env, connectTimeoutMs } = options;
    const socket = connect({ host: address.host, port: address.port });
    const place = `${address.host}:${String(address.port)}`;
    await new Promise<void>((resolve, reject) => {
      const fail = (cause?: Error): void => {
        timer.cancel();
        socket.destroy();
        reject(
          new BalsaError(
            'PEER_UNREACHABLE',
            `${place} cannot be reached: ${cause?.message ?? 'no answer in time'}`,
            { cause },
          ),
        );
      };
      const timer = env.setTimer(connectTimeoutMs, fail);
      socket.once('error', fail);
      socket.once('connect', () => {
        timer.cancel();
        socket.off('error', fail);
        resolve();
      });
    });
    return new RespConnection(socket, options);
  }

  get usable(): boolean {
    return this.#broken === undefined;
  }

  get pendingCount(): number {
    return this.#pending.length;
  }

  /** Sends one command; resolves with its reply, an error reply included. */
  call(args: readonly (Uint8Array | string)[]): Promise<Reply> {
    if (this.#broken !== undefined) {
      return Promise.reject(
        new BalsaError('PEER_UNREACHABLE', 'the connection is closed', { cause: this.#broken }),
      );
    }
    const deadline = this.#options.env.now() + this.#options.callTimeoutMs;
    return new Promise((resolve, reject) => {
      this.#pending.push({ resolve, reject, deadline });
      this.#socket.write(encodeReply(array(args.map(bulk)), 2));
      this.#watch();
    });
  }

  /** Closes once the calls under way are answered. */
  closeWhenIdle(): void {
    this.#closing = true;
    if (this.#pending.length === 0) this.close();
  }

  close(): void {
    this.#break('the client was closed');
  }

  #receive(chunk: Buffer): void {
    this.#parser.feed(chunk);
    try {
      for (let reply = this.#parser.next(); reply !== undefined; reply = this.#parser.next()) {
        const pending = reply.kind === 'push' ? undefined : this.#pending.shift();
        pending?.resolve(reply);
      }
    } catch (problem) {
      this.#break('the server does not speak RESP', problem);
    }
    this.#watch();
    if (this.#closing && this.#pending.length === 0) this.close();
  }

  /** One timer, for the oldest call: replies come in order. */
  #watch(): void {
    const oldest = this.#pending[0];
    if (oldest === undefined) {
      this.#timer?.cancel();
      this.#timer = undefined;
      return;
    }
    if (this.#timer !== undefined) return;
    this.#timer = this.#options.env.setTimer(Math.max(1, oldest.deadline - this.#options.env.now()), () => {
      this.#timer = undefined;
      const late = this.#pending[0];
      if (late !== undefined && late.deadline <= this.#options.env.now())
        this.#break('no reply within the time limit');
      else this.#watch();
    });
  }

  #break(why: string, cause?: unknown): void {
    if (this.#broken !== undefined) return;
    const { host, port } = this.#options.address;
    const text = `${why} (${host}:${String(port)}); the server may have carried out what was sent`;
    this.#broken =
      cause === undefined
        ? new BalsaError('UNKNOWN_OUTCOME', text)
        : new BalsaError('UNKNOWN_OUTCOME', text, { cause });
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#socket.destroy();
    for (const pending of this.#pending.splice(0)) pending.reject(this.#broken);
  }
}
