/** A real Redis (or Valkey) server for tests: its own directory, its own port, stopped by its process id. */
import { existsSync, mkdirSync, readdirSync, realpathSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import path from 'node:path';
import { connect as connectTls } from 'node:tls';
import { BalsaError } from '@balsa/raft-core';
import { adviceAfter, mendAfterPowerCut } from './after-power-cut.ts';
import { ensureRedisServer } from './find-server.ts';
import { delay, realEnv } from './real-env.ts';
import { ServerProcess } from './server-process.ts';

export interface RedisServerTls {
  /** Paths of PEM files. */
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

export interface RedisServerOptions {
  /** Holds the server's data and nothing else. Created when it is missing. */
  readonly directory: string;
  /** Added to the environment of the server's process. */
  readonly env?: Readonly<Record<string, string>>;
  /** Directives of redis.conf beside and above the defaults, which are durable: `{ appendfsync: 'everysec' }`. */
  readonly config?: Readonly<Record<string, string | readonly string[]>>;
  /** Default: a free one. The same after every restart. 0: no TCP, which needs `unixSocket`. */
  readonly port?: number;
  readonly unixSocket?: string;
  readonly password?: string;
  /** The port speaks TLS. */
  readonly tls?: RedisServerTls;
  /** Path of the program. Default: what `ensureRedisServer` finds. */
  readonly program?: string;
}

/** A server that does not answer within this time has failed to start, in milliseconds. */
const startMs = 30_000;
/** Ports that were free a moment ago and then were not: so many are tried. */
const portAttempts = 5;

const durableConfig = {
  appendonly: 'yes',
  appendfsync: 'always',
  save: '',
  'maxmemory-policy': 'noeviction',
  daemonize: 'no',
  'protected-mode': 'no',
} as const;

/** One server, in one or several lives on the same directory. Not to be shared between threads. */
export class RedisServer {
  readonly host: string = '127.0.0.1';
  readonly directory: string;
  readonly unixSocket: string | undefined;
  readonly password: string | undefined;
  readonly #options: RedisServerOptions;
  readonly #program: string;
  #port: number;
  #process: ServerProcess | undefined;

  private constructor(options: RedisServerOptions, program: string) {
    this.#options = options;
    this.#program = program;
    this.directory = path.resolve(options.directory);
    this.unixSocket = options.unixSocket;
    this.password = options.password;
    this.#port = options.port ?? 0;
  }

  /** Starts one and resolves when it answers. `STORE_IO` with the server's own words when it does not. */
  static async start(options: RedisServerOptions): Promise<RedisServer> {
    const server = new RedisServer(options, options.program ?? ensureRedisServer());
    await server.start();
    return server;
  }

  /** 0 when it listens on a Unix socket only. */
  get port(): number {
    return this.#port;
  }

  /** Of the present life, undefined while the server is stopped. */
  get pid(): number | undefined {
    return this.#process?.running === true ? this.#process.pid : undefined;
  }

  /** For clients that take a URL. */
  get url(): string {
    if (this.#port === 0) return this.unixSocket ?? '';
    const user = this.password === undefined ? '' : `:${encodeURIComponent(this.password)}@`;
    return `${this.#options.tls === undefined ? 'redis' : 'rediss'}://${user}${this.host}:${String(this.#port)}`;
  }

  /** A new life on the same directory. `extraEnv` is for this life only. A running server is left as it is. */
  async start(extraEnv: Readonly<Record<string, string>> = {}): Promise<void> {
    if (this.pid !== undefined) return;
    mkdirSync(this.directory, { recursive: true });
    const choose = this.#options.port === undefined && this.#port === 0;
    for (let attempt = 1; ; attempt++) {
      if (choose) this.#port = await freePort();
      const life = await ServerProcess.spawn(this.#program, this.#args(), {
        ...process.env,
        ...this.#options.env,
        ...extraEnv,
      });
      this.#process = life;
      const complaint = await this.#untilReady(life);
      if (complaint === undefined) return;
      await life.end('SIGKILL');
      if (mendAfterPowerCut(this.directory, life.output)) continue;
      if (choose && attempt < portAttempts && /address already in use/i.test(life.output)) continue;
      throw new BalsaError(
        'STORE_IO',
        `${this.#program} ${complaint}. It said:\n${life.output}${adviceAfter(life.output)}`,
      );
    }
  }

  /** In good order (SIGTERM). Resolves when the process is gone; one that is gone already is no error. */
  async stop(): Promise<void> {
    await this.#process?.end('SIGTERM');
  }

  /** With SIGKILL: nothing is flushed. Resolves when the process is gone. */
  async kill(): Promise<void> {
    await this.#process?.end('SIGKILL');
  }

  /** Stops it when it runs, and starts it on the same directory, port and socket. */
  async restart(extraEnv: Readonly<Record<string, string>> = {}): Promise<void> {
    await this.stop();
    await this.start(extraEnv);
  }

  /** Holds the process where it stands (SIGSTOP), until `resume`. */
  pause(): void {
    this.#process?.signal('SIGSTOP');
  }

  resume(): void {
    this.#process?.signal('SIGCONT');
  }

  /** Absolute paths of the files that hold data now: append-only files, their manifest, dumps. */
  dataFiles(): string[] {
    if (!existsSync(this.directory)) return [];
    return readdirSync(this.directory, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => path.join(entry.parentPath, entry.name))
      .sort();
  }

  #args(): string[] {
    const { config = {}, tls, password, unixSocket } = this.#options;
    const settings: Record<string, string | readonly string[]> = {
      ...durableConfig,
      bind: this.host,
      dir: this.directory,
      ...(tls === undefined
        ? { port: String(this.#port) }
        : {
            port: '0',
            'tls-port': String(this.#port),
            'tls-cert-file': tls.cert,
            'tls-key-file': tls.key,
            'tls-ca-cert-file': tls.ca,
            'tls-auth-clients': 'no',
          }),
      ...(password === undefined ? {} : { requirepass: password }),
      ...(unixSocket === undefined ? {} : { unixsocket: unixSocket }),
      ...config,
    };
    return Object.entries(settings).flatMap(([name, value]) =>
      typeof value === 'string' ? [`--${name}`, value] : value.flatMap((one) => [`--${name}`, one]),
    );
  }

  /** What is wrong, undefined when it answers. */
  async #untilReady(life: ServerProcess): Promise<string | undefined> {
    const deadline = realEnv.now() + startMs;
    while (life.running) {
      const answer = await this.#ask(['PING']);
      if (/^(\+PONG|-NOAUTH)/.test(answer) && (await this.#isItself())) return undefined;
      if (realEnv.now() > deadline) return `did not answer within ${String(startMs / 1000)} s`;
      await delay(5);
    }
    return 'ended before it answered';
  }

  /** Another server may have got the port a moment before: it answers, too, until this one has ended for it. */
  async #isItself(): Promise<boolean> {
    const { password } = this;
    const commands = [...(password === undefined ? [] : [['AUTH', password]]), ['CONFIG', 'GET', 'dir']];
    return (await this.#ask(...commands)).includes(`\r\n${realpathSync(this.directory)}\r\n`);
  }

  /** The first of what it answers, empty when there is nothing. */
  #ask(...commands: readonly (readonly string[])[]): Promise<string> {
    return new Promise((resolve) => {
      const socket = this.#connect();
      const finish = (answer: string): void => {
        socket.destroy();
        resolve(answer);
      };
      socket.setEncoding('utf8');
      socket.setTimeout(1000, () => finish(''));
      socket.once('error', () => finish(''));
      socket.once('close', () => finish(''));
      socket.once('data', (text: Buffer | string) => finish(String(text)));
      for (const words of commands) socket.write(encode(words));
    });
  }

  #connect(): Socket {
    if (this.#port === 0) return connect({ path: this.unixSocket ?? '' });
    const place = { host: this.host, port: this.#port };
    return this.#options.tls === undefined
      ? connect(place)
      : connectTls({ ...place, rejectUnauthorized: false });
  }
}

function encode(words: readonly string[]): string {
  const parts = words.map((word) => `$${String(Buffer.byteLength(word))}\r\n${word}\r\n`);
  return `*${String(words.length)}\r\n${parts.join('')}`;
}

/**
 * Systems give connections that go out, and listeners that ask for any port, one above these: it could be taken while
 * the server is restarted. A node of a Redis Cluster also needs the one that is 10,000 higher.
 */
const [lowestPort, portCount] = [10_000, 22_000];

/** A TCP port of the loopback address that nobody listens on. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = lowestPort + Math.floor(realEnv.random() * portCount);
    if (await isFree(port)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(false);
      else reject(error);
    });
    server.listen(port, '127.0.0.1', () => {
      server.close(() => resolve(true));
    });
  });
}
