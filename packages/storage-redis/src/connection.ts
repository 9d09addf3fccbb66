/**
 * One connection to the server, made anew when it was lost, checked each time before anything else is sent.
 *
 * ioredis is used with everything off that repeats or keeps a command: what it cannot send at once it
 * refuses, and what has no reply when the connection ends is an error here, never sent again.
 */
import { Redis } from 'ioredis';
import { BalsaError, LogLevel, isBalsaError, type Timer } from '@balsa/raft-core';
import { closedError, refused } from './errors.ts';
import { FramedCommand, type Argument } from './framed-command.ts';
import type { Settings } from './options.ts';
import type { Script } from './scripts.ts';

export type { Argument } from './framed-command.ts';
/** Buffers for strings, numbers, null, and arrays of them. */
export type Reply = Buffer | number | null | readonly Reply[];

/** What the server itself answered: nothing of the command took effect, unless the script says otherwise. */
export class ServerError extends Error {
  override readonly name = 'ServerError';
}

/** The connection ended before the reply came. */
export class LostReply extends Error {
  override readonly name = 'LostReply';
}

export type ConnectionOptions = Pick<Settings, 'address' | 'env' | 'replyTimeoutMs' | 'connectTimeoutMs'> & {
  readonly name: string;
  readonly scripts: readonly Script[];
  /** Called with every new connection before it is used; what it throws is what the caller gets. */
  readonly verify: (connection: Connection) => Promise<void>;
};

/** How a reply is told from a failure of the connection. */
function isServerError(error: unknown): error is Error {
  return error instanceof Error && error.name === 'ReplyError';
}

export class Connection {
  readonly #options: ConnectionOptions;
  #redis: Redis | undefined;
  /** Set while the connection is made and checked. */
  #connecting: Promise<void> | undefined;
  #usable = false;
  #closed = false;
  #lastError: unknown;
  #pending = 0;
  #replies = 0;
  #watch: Timer | undefined;

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  /** Resolves at once when there is a connection; else makes one and checks it. `STORE_IO` when it cannot. */
  async ready(): Promise<void> {
    if (this.#closed) throw closedError('the connection');
    if (this.#usable) return;
    this.#connecting ??= this.#connect().finally(() => {
      this.#connecting = undefined;
    });
    await this.#connecting;
  }

  /** Whether `call` would send at once. */
  get usable(): boolean {
    return this.#usable;
  }

  /**
   * Sends a command over the present connection, in the order of the calls. Rejects with `ServerError` for what
   * the server answers, `LostReply` when the connection ends first, and `STORE_IO` when nothing was sent.
   */
  call(name: string, args: readonly Argument[]): Promise<Reply> {
    const redis = this.#redis;
    if (redis?.status !== 'ready') {
      return Promise.reject(
        new BalsaError('STORE_IO', `there is no connection to the server${this.#because()}`, {
          cause: this.#lastError,
        }),
      );
    }
    this.#pending++;
    this.#watch ??= this.#startWatch();
    return (redis.sendCommand(new FramedCommand(name, args)) as Promise<Reply>).then(
      this.#answered,
      this.#failed,
    );
  }

  /** As `call`; the script is loaded again where the server has lost it. */
  async run(script: Script, keys: readonly string[], args: readonly Argument[]): Promise<Reply> {
    const all = [script.sha, String(keys.length), ...keys, ...args];
    try {
      return await this.call('evalsha', all);
    } catch (error) {
      if (!(error instanceof ServerError) || !error.message.startsWith('NOSCRIPT')) throw error;
      // Refused as a whole. If it was done after all, the repetition finds that and does nothing.
      await this.call('script', ['load', script.text]);
      return this.call('evalsha', all);
    }
  }

  /** Ends the connection now; what has no reply yet is lost. */
  cut(): void {
    this.#usable = false;
    this.#redis?.disconnect();
    this.#redis?.stream.destroy();
  }

  close(): void {
    this.#closed = true;
    this.#usable = false;
    this.#watch?.cancel();
    this.#redis?.disconnect();
  }

  readonly #answered = (reply: Reply): Reply => {
    this.#pending--;
    this.#replies++;
    return reply;
  };

  readonly #failed = (error: unknown): never => {
    this.#pending--;
    this.#replies++;
    if (isServerError(error)) throw new ServerError(error.message, { cause: error });
    throw new LostReply(`the connection ended before the reply came${this.#because()}`, { cause: error });
  };

  #because(): string {
    return this.#lastError instanceof Error ? ` (${this.#lastError.message})` : '';
  }

  async #connect(): Promise<void> {
    const { env, verify, scripts } = this.#options;
    const redis = createClient(this.#options);
    this.#redis?.disconnect();
    this.#redis = redis;
    this.#lastError = undefined;
    redis.on('error', (error: unknown) => {
      this.#lastError = error;
    });
    redis.on('close', () => {
      if (this.#redis === redis) this.#usable = false;
    });
    try {
      await redis.connect();
      await verify(this);
      for (const { text } of scripts) await this.call('script', ['load', text]);
    } catch (error) {
      redis.disconnect();
      if (isBalsaError(error)) throw error;
      const cause = this.#lastError ?? error;
      env.log.log(LogLevel.Warn, 'the server cannot be reached', { error: cause });
      throw refused(cause, `connect to the Redis server at ${describe(this.#options)}`);
    }
    if (this.#closed) {
      redis.disconnect();
      throw closedError('the connection');
    }
    this.#usable = redis.status === 'ready';
  }

  /** A server that leaves all of it unanswered for a whole interval is given up. */
  #startWatch(): Timer {
    const { env, replyTimeoutMs } = this.#options;
    const before = this.#replies;
    return env.setTimer(replyTimeoutMs, () => {
      // Where it was this process that stood still, the replies have come, and are read before the next turn.
      this.#watch = env.setTimer(0, () => {
        this.#watch = undefined;
        if (this.#pending === 0) return;
        if (this.#replies === before) {
          this.#lastError = new Error(`no reply for ${String(replyTimeoutMs)} ms`);
          this.cut();
        } else {
          this.#watch = this.#startWatch();
        }
      });
    });
  }
}

function describe({ address }: ConnectionOptions): string {
  if (address.socket !== undefined) return address.socket;
  if (address.url !== undefined) return address.url.replace(/\/\/[^/@]*@/, '//');
  return `${address.host ?? '127.0.0.1'}:${String(address.port ?? 6379)}`;
}

function createClient({ address, connectTimeoutMs, name }: ConnectionOptions): Redis {
  const { url, socket, tls, ...plain } = address;
  const options = {
    ...plain,
    ...(socket === undefined ? {} : { path: socket }),
    ...(tls === undefined || tls === false ? {} : { tls: tls === true ? {} : tls }),
    lazyConnect: true,
    // A command that cannot be sent now must not be sent at some later time.
    enableOfflineQueue: false,
    // Nor be sent twice.
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
    reconnectOnError: null,
    enableReadyCheck: false,
    autoResubscribe: false,
    connectTimeout: connectTimeoutMs,
    protocol: 2 as const,
    disableClientInfo: true,
    connectionName: `balsa-${name}`,
  };
  return url === undefined ? new Redis(options) : new Redis(url, options);
}
