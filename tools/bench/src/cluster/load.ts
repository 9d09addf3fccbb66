/** RESP clients in a closed loop: each its own connection with one SET under way, and nothing else that costs time. */
import { connect, type Socket } from 'node:net';
import { Random } from '@balsa/cluster';
import type { Env } from '@balsa/raft-core';
import { Latencies } from '../measure/latencies.ts';
import type { PayloadPool } from '../measure/payload-pool.ts';

export interface Address {
  readonly host: string;
  readonly port: number;
}

export const valueBytes = 256;
/** Keys that are written to, and the digits of their numbers. */
export const keys = 10_000;
export const keyDigits = 8;
const head = `*3\r\n$3\r\nSET\r\n$${3 + keyDigits}\r\nkey`;
const middle = `\r\n$${valueBytes}\r\n`;
/** Of a SET as {@link LoadClient} sends it. */
export const commandBytes: number = head.length + keyDigits + middle.length + valueBytes + 2;
const ok = 43; // '+'
const lineFeed = 10;

/** One connection with one SET under way. */
export interface SetClient {
  /** What was answered last that was not OK. */
  readonly complaint: string;
  readonly usable: boolean;
  /** Whether it was accepted. Rejects when the connection breaks. One at a time. */
  set(): Promise<boolean>;
  close(): void;
}

/** Three processes that take SETs. */
export interface LoadedCluster {
  /** Processes of nodes and of their servers. */
  readonly pids: readonly number[];
  leaderAddress(): Promise<Address>;
  /** So many connections to one node. */
  connect(address: Address, count: number): Promise<SetClient[]>;
  /** Waits until the nodes have nothing left to do of what came before. */
  settle(): Promise<void>;
  stop(): Promise<void>;
}

/** What was read last, of any client: each looks at it at once. Buffers of their own would cost more than all else in a read. */
const received = Buffer.alloc(16 * 1024);

/** A connection whose bytes, in memory that is used again, go to `receive`. */
export function openSocket<T>(
  address: Address,
  make: (socket: Socket) => { readonly client: T; readonly receive: (chunk: Buffer) => void },
): Promise<T> {
  return new Promise((resolve, reject) => {
    let receive: (chunk: Buffer) => void = () => undefined;
    const callback = (length: number): boolean => {
      receive(received.subarray(0, length));
      return true;
    };
    const socket = connect({ ...address, onread: { buffer: received, callback } });
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      const made = make(socket);
      receive = made.receive;
      resolve(made.client);
    });
  });
}

/** So many clients, one after another, that write to keys drawn from one sequence. */
export async function openClients<T>(
  { env }: { readonly env: Pick<Env, 'random'> },
  count: number,
  open: (numbers: () => number) => Promise<T>,
): Promise<T[]> {
  const clients: T[] = [];
  const numbers = keyNumbers(env.random());
  for (let n = 0; n < count; n++) clients.push(await open(numbers));
  return clients;
}

/** Which keys are written to, from a seed in [0, 1): the system's own source costs as much as a SET. */
function keyNumbers(seed: number): () => number {
  const random = new Random(seed * 2 ** 32);
  return () => random.next();
}

export class LoadClient implements SetClient {
  readonly #socket: Socket;
  readonly #command: Buffer;
  readonly #pool: PayloadPool;
  readonly #random: () => number;
  #settle: ((accepted: boolean) => void) | undefined;
  #fail: ((reason: Error) => void) | undefined;
  #broken: Error | undefined;
  #reply = '';

  private constructor(socket: Socket, pool: PayloadPool, random: () => number) {
    this.#socket = socket;
    this.#pool = pool;
    this.#random = random;
    this.#command = Buffer.alloc(commandBytes);
    this.#command.write(head, 0);
    this.#command.write(middle, head.length + keyDigits);
    this.#command.write('\r\n', this.#command.length - 2);
    socket.setNoDelay(true);
    socket.on('error', (error) => {
      this.#break(error);
    });
    socket.on('close', () => {
      this.#break(new Error('the connection was closed'));
    });
  }

  static open({ host, port }: Address, pool: PayloadPool, random: () => number): Promise<LoadClient> {
    return openSocket({ host, port }, (socket) => {
      const client = new LoadClient(socket, pool, random);
      return { client, receive: (chunk) => client.#receive(chunk) };
    });
  }

  /** What was answered last that was not OK. */
  get complaint(): string {
    return this.#reply;
  }

  get usable(): boolean {
    return this.#broken === undefined;
  }

  /** Whether it was accepted. Rejects when the connection breaks. One at a time. */
  set(): Promise<boolean> {
    if (this.#broken !== undefined) return Promise.reject(this.#broken);
    const number = String(Math.floor(this.#random() * keys)).padStart(keyDigits, '0');
    this.#command.write(number, head.length, 'latin1');
    this.#command.set(this.#pool.take(valueBytes), head.length + keyDigits + middle.length);
    this.#socket.write(this.#command);
    return new Promise((resolve, reject) => {
      this.#settle = resolve;
      this.#fail = reject;
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #receive(chunk: Buffer): void {
    // One command is under way, so a chunk that ends a line ends its answer.
    if (chunk[chunk.length - 1] !== lineFeed) return;
    const accepted = chunk[0] === ok;
    if (!accepted) this.#reply = chunk.toString('utf8').trim();
    const settle = this.#settle;
    this.#settle = undefined;
    this.#fail = undefined;
    settle?.(accepted);
  }

  #break(reason: Error): void {
    if (this.#broken !== undefined) return;
    this.#broken = reason;
    this.#socket.destroy();
    this.#fail?.(reason);
  }
}

export interface LoadResult {
  readonly latencies: Latencies;
  readonly elapsedMs: number;
  readonly refused: number;
}

/** All clients at once for so many milliseconds. */
export async function runLoad(
  clients: readonly SetClient[],
  ms: number,
  signal: AbortSignal,
): Promise<LoadResult> {
  const latencies = new Latencies();
  let refused = 0;
  const start = performance.now();
  const deadline = start + ms;
  const loop = async (client: SetClient): Promise<void> => {
    for (let begin = performance.now(); begin < deadline && !signal.aborted; begin = performance.now()) {
      if (await client.set()) latencies.record(performance.now() - begin);
      else refused++;
    }
  };
  const ends = await Promise.allSettled(clients.map(loop));
  signal.throwIfAborted();
  const failed = ends.find((end) => end.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  return { latencies, elapsedMs: performance.now() - start, refused };
}

/** So many clients of the leader, for so long. */
export async function loadLeader(
  nodes: LoadedCluster,
  count: number,
  ms: number,
  signal: AbortSignal,
): Promise<LoadResult> {
  const clients = await nodes.connect(await nodes.leaderAddress(), count);
  try {
    return await runLoad(clients, ms, signal);
  } finally {
    for (const client of clients) client.close();
  }
}

const warmUpClients = 64;

/**
 * Before anything counts, rivals as well: a process that has just started runs code that is not compiled yet. Two cores
 * that compile what four processes run need about ten seconds of 64 clients until a SET of one client costs no less
 * processor time.
 */
export async function warmUp(nodes: LoadedCluster, ms: number, signal: AbortSignal): Promise<void> {
  await loadLeader(nodes, warmUpClients, ms, signal);
}
