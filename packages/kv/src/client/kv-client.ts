import { BalsaError, isBalsaError, type Env } from '@balsa/raft-core';
import type { Reply } from '../resp/reply.ts';
import type { ListenAddress } from '../server/resp-server.ts';
import { RespConnection } from './resp-connection.ts';
import { bytesOrUndefined, errorOf, integerOf, scanPage } from './replies.ts';

export interface KvClientOptions {
  /** RESP addresses of members; any one will do, the others are for when it is gone. */
  readonly addresses: readonly ListenAddress[];
  readonly env: Env;
  /**
   * How often a call is tried again after it was certainly not carried out (no connection, `TRYAGAIN`,
   * `BUSY`), and a read also after its connection was lost. Default 6. 0 for never.
   */
  readonly retries?: number;
  /** First pause before trying again, in milliseconds; doubles up to 1000, and a random half of it is dropped. Default 20. */
  readonly backoffMs?: number;
  /** Default 2000. */
  readonly connectTimeoutMs?: number;
  /** Milliseconds that a reply may take; then the connection is given up. Default 15 000. */
  readonly callTimeoutMs?: number;
  /** Calls that wait for a reply; more are refused with `OVERLOADED`. Default 10 000. */
  readonly maxPending?: number;
}

export interface SetOptions {
  /** At most one of: only if absent, only if present, only if the value is this. */
  readonly condition?: 'nx' | 'xx' | { readonly ifeq: Bytes };
}

/** Text is taken as UTF-8. */
export type Bytes = Uint8Array | string;

const longestBackoffMs = 1000;

/**
 * A thin client for any of several nodes.
 *
 * A write is sent once. When its connection is lost before the reply, it rejects with `UNKNOWN_OUTCOME` and is
 * never sent again: only the caller knows whether repeating it does harm. Reads go on, on another node.
 * All errors are `BalsaError`; `retryable` and `outcome` say what may be done.
 */
export class KvClient implements AsyncDisposable {
  readonly #options: Required<KvClientOptions>;
  #connection: Promise<RespConnection> | undefined;
  #open: RespConnection | undefined;
  #next = 0;
  #pending = 0;
  #closed = false;

  /** Connects at the first call. Throws `INVALID_ARGUMENT` without addresses. */
  constructor(options: KvClientOptions) {
    if (options.addresses.length === 0)
      throw new BalsaError('INVALID_ARGUMENT', 'addresses must name at least one node');
    this.#options = {
      retries: 6,
      backoffMs: 20,
      connectTimeoutMs: 2000,
      callTimeoutMs: 15_000,
      maxPending: 10_000,
      ...options,
    };
  }

  async get(key: Bytes): Promise<Uint8Array | undefined> {
    return bytesOrUndefined(await this.#read(['GET', key]));
  }

  /** As text; bytes that are not UTF-8 come back as replacement characters. */
  async getText(key: Bytes): Promise<string | undefined> {
    const bytes = await this.get(key);
    return bytes === undefined ? undefined : Buffer.from(bytes).toString('utf8');
  }

  async mget(keys: readonly Bytes[]): Promise<(Uint8Array | undefined)[]> {
    const reply = await this.#read(['MGET', ...keys]);
    return reply.kind === 'array' ? reply.items.map(bytesOrUndefined) : [];
  }

  async exists(...keys: readonly Bytes[]): Promise<number> {
    return Number(integerOf(await this.#read(['EXISTS', ...keys])));
  }

  async dbsize(): Promise<number> {
    return Number(integerOf(await this.#read(['DBSIZE'])));
  }

  /** Whether it was set: false when the condition did not hold. */
  async set(key: Bytes, value: Bytes, options: SetOptions = {}): Promise<boolean> {
    const { condition } = options;
    const words: Bytes[] =
      condition === undefined ? [] : typeof condition === 'string' ? [condition] : ['IFEQ', condition.ifeq];
    return (await this.#write(['SET', key, value, ...words])).kind !== 'null';
  }

  async mset(pairs: readonly (readonly [Bytes, Bytes])[]): Promise<void> {
    await this.#write(['MSET', ...pairs.flat()]);
  }

  /** How many of the keys there were. */
  async del(...keys: readonly Bytes[]): Promise<number> {
    return Number(integerOf(await this.#write(['DEL', ...keys])));
  }

  /** The sum; a bigint, because it may be any 64-bit signed integer. */
  async incr(key: Bytes, by: number | bigint = 1): Promise<bigint> {
    return integerOf(await this.#write(['INCRBY', key, String(by)]));
  }

  /** The new length. */
  async append(key: Bytes, tail: Bytes): Promise<number> {
    return Number(integerOf(await this.#write(['APPEND', key, tail])));
  }

  /** Every key that is there from beginning to end, exactly once; others perhaps. Goes on from node to node. */
  async *scan(
    options: { readonly match?: Bytes; readonly count?: number } = {},
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const words: Bytes[] = options.match === undefined ? [] : ['MATCH', options.match];
    if (options.count !== undefined) words.push('COUNT', String(options.count));
    let cursor = '0';
    do {
      const page = scanPage(await this.#read(['SCAN', cursor, ...words]));
      yield* page.keys;
      cursor = page.cursor;
    } while (cursor !== '0');
  }

  /** Any command. `idempotent` says that it may be sent again after a lost connection. */
  call(args: readonly Bytes[], options: { readonly idempotent?: boolean } = {}): Promise<Reply> {
    return options.idempotent === true ? this.#read(args) : this.#write(args);
  }

  /** Idempotent. What is under way rejects with `UNKNOWN_OUTCOME`. */
  close(): Promise<void> {
    this.#closed = true;
    this.#open?.close();
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #read(args: readonly Bytes[]): Promise<Reply> {
    return this.#call(args, () => true);
  }

  #write(args: readonly Bytes[]): Promise<Reply> {
    return this.#call(args, (problem) => problem.outcome === 'refused');
  }

  async #call(args: readonly Bytes[], mayRepeat: (problem: BalsaError) => boolean): Promise<Reply> {
    if (this.#pending >= this.#options.maxPending) {
      throw new BalsaError(
        'OVERLOADED',
        `${String(this.#pending)} calls of this client wait for a reply already`,
      );
    }
    this.#pending += 1;
    try {
      for (let attempt = 0; ; attempt += 1) {
        try {
          return await this.#once(args);
        } catch (caught) {
          const problem = caught;
          if (!isBalsaError(problem)) throw problem;
          const worthwhile = problem.retryable || problem.outcome === 'unknown' || isBeyondUse(problem);
          if (this.#closed || !worthwhile || !mayRepeat(problem) || attempt >= this.#options.retries)
            throw problem;
          await this.#pause(attempt);
        }
      }
    } finally {
      this.#pending -= 1;
    }
  }

  async #once(args: readonly Bytes[]): Promise<Reply> {
    const connection = await this.#connect();
    const reply = await connection.call(args);
    if (reply.kind !== 'error') return reply;
    const problem = errorOf(reply.text);
    // A node that cannot serve just now is left for another.
    if (isBeyondUse(problem) || problem.code === 'NOT_LEADER' || problem.code === 'TIMEOUT')
      this.#leave(connection);
    throw problem;
  }

  #connect(): Promise<RespConnection> {
    if (this.#closed) return Promise.reject(new BalsaError('STOPPED', 'this client is closed'));
    if (this.#open !== undefined && !this.#open.usable) this.#leave(this.#open);
    this.#connection ??= this.#dial();
    return this.#connection;
  }

  async #dial(): Promise<RespConnection> {
    const { addresses, env, connectTimeoutMs, callTimeoutMs } = this.#options;
    let last: unknown;
    for (let i = 0; i < addresses.length; i += 1) {
      const address = addresses[this.#next % addresses.length];
      if (address === undefined) break;
      try {
        this.#open = await RespConnection.open({ address, env, connectTimeoutMs, callTimeoutMs });
        if (this.#closed) this.#open.close();
        return this.#open;
      } catch (problem) {
        last = problem;
        this.#next += 1;
      }
    }
    this.#connection = undefined;
    throw new BalsaError('PEER_UNREACHABLE', `none of ${String(addresses.length)} nodes can be reached`, {
      cause: last,
    });
  }

  /** Later calls go to the next node; those under way on this connection are still waited for. */
  #leave(connection: RespConnection): void {
    if (this.#open !== connection) return;
    this.#open = undefined;
    this.#connection = undefined;
    this.#next += 1;
    if (connection.pendingCount === 0) connection.close();
    else connection.closeWhenIdle();
  }

  #pause(attempt: number): Promise<void> {
    const { backoffMs, env } = this.#options;
    const full = Math.min(backoffMs * 2 ** attempt, longestBackoffMs);
    return new Promise((resolve) => {
      env.setTimer(full * (0.5 + env.random() / 2), resolve);
    });
  }
}

/** Of this node nothing can be hoped for, of another one everything. */
function isBeyondUse({ code }: BalsaError): boolean {
  return code === 'STOPPED' || code === 'NOT_A_MEMBER';
}
