import { connect, type Socket } from 'node:net';
import { createNodeEnv } from '@balsa/raft-node';
import { openMemoryEngine } from '@balsa/raft-core/memory';
import { afterEach } from 'vitest';
import {
  createKvStateMachine,
  startKvServer,
  type KvLimits,
  type KvServer,
  type KvStateMachine,
} from '../../src/index.ts';
import { FakeLog } from './fake-log.ts';

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Runs after the test, last registered first. */
export function onEnd(cleanup: () => Promise<void> | void): void {
  cleanups.push(cleanup);
}

export interface TestServer {
  readonly server: KvServer;
  readonly log: FakeLog;
  readonly machine: KvStateMachine;
  readonly port: number;
  readonly http: string;
}

export function memoryMachine(): KvStateMachine {
  return createKvStateMachine(openMemoryEngine().orderedStore('kv'));
}

export async function startTestServer(limits: Partial<KvLimits> = {}): Promise<TestServer> {
  const machine = memoryMachine();
  const log = await new FakeLog(machine).open();
  const server = await startKvServer({
    node: log,
    stateMachine: machine,
    env: createNodeEnv(),
    resp: { port: 0 },
    http: { port: 0 },
    limits: { drainMs: 200, ...limits },
  });
  onEnd(() => server.stop());
  const http = `http://127.0.0.1:${String(server.httpAddress?.port)}`;
  return { server, log, machine, port: server.respAddress.port, http };
}

/** A socket that collects what comes. */
export class RawClient {
  readonly socket: Socket;
  received: Buffer = Buffer.alloc(0);
  closed = false;
  #wake: (() => void) | undefined;

  /** A port of this machine, or the path of a socket. */
  constructor(place: number | string) {
    this.socket =
      typeof place === 'string' ? connect({ path: place }) : connect({ port: place, host: '127.0.0.1' });
    this.socket.on('data', (chunk: Buffer) => {
      this.received = Buffer.concat([this.received, chunk]);
      this.#wake?.();
    });
    this.socket.on('error', () => undefined);
    this.socket.on('close', () => {
      this.closed = true;
      this.#wake?.();
    });
    onEnd(() => {
      this.socket.destroy();
    });
  }

  get text(): string {
    return this.received.toString('latin1');
  }

  send(text: string | Buffer): void {
    this.socket.write(typeof text === 'string' ? Buffer.from(text, 'latin1') : text);
  }

  /** Waits until what came fulfils the condition. */
  async until(condition: (client: RawClient) => boolean): Promise<void> {
    while (!condition(this)) {
      if (this.closed) throw new Error(`closed too early, after ${JSON.stringify(this.text.slice(0, 500))}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Sends, then waits for exactly this text. */
  async expectReply(request: string | Buffer, reply: string): Promise<void> {
    this.received = Buffer.alloc(0);
    this.send(request);
    await this.until((client) => client.received.length >= reply.length || !reply.startsWith(client.text));
    if (this.text !== reply)
      throw new Error(`expected ${JSON.stringify(reply)}, got ${JSON.stringify(this.text)}`);
  }

  async untilClosed(): Promise<void> {
    while (!this.closed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

/** A command as clients send it. */
export function resp(...args: readonly (string | Uint8Array)[]): Buffer {
  const parts: Buffer[] = [Buffer.from(`*${String(args.length)}\r\n`)];
  for (const arg of args) {
    const bytes = typeof arg === 'string' ? Buffer.from(arg) : Buffer.from(arg);
    parts.push(Buffer.from(`$${String(bytes.length)}\r\n`), bytes, Buffer.from('\r\n'));
  }
  return Buffer.concat(parts);
}
