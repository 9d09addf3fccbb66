/**
 * A client of the whole cluster: one pipelined connection to each node, used in turn.
 *
 * It speaks through ioredis, as any user would, with everything switched off that would send a command
 * a second time: a write must be known to be done, known not to be done, or honestly unknown.
 */
import { Redis } from 'ioredis';
import type { HostPort } from './addresses.ts';

/** What is known of a write: done, known not to be done, or neither. */
export type WriteOutcome = 'acknowledged' | 'unknown' | 'refused';

export type ReadResult = { readonly ok: true; readonly text: string | null } | { readonly ok: false };

/** An answer that takes longer is not waited for; the command may still take effect. In milliseconds. */
const commandTimeoutMs = 8_000;
const reconnectMs = 200;

/** Replies that promise that nothing happened and nothing will. */
const refusals = /^(TRYAGAIN|BUSY)\b/;
/** ioredis says so before it sends anything. */
const neverSent = /isn't writeable and enableOfflineQueue/;

export function outcomeOfFailure(error: unknown): 'unknown' | 'refused' {
  const text = error instanceof Error ? error.message : String(error);
  return refusals.test(text) || neverSent.test(text) ? 'refused' : 'unknown';
}

export class ClusterClient {
  readonly #connections = new Map<number, Redis>();
  #turn = 0;

  connect(id: number, { host, port }: HostPort): void {
    this.disconnect(id);
    const connection = new Redis({
      host,
      port,
      enableOfflineQueue: false,
      enableReadyCheck: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      disableClientInfo: true,
      connectTimeout: 1_000,
      commandTimeout: commandTimeoutMs,
      retryStrategy: () => reconnectMs,
    });
    // Lost connections are part of the story; each command that suffers from one says so itself.
    connection.on('error', () => undefined);
    this.#connections.set(id, connection);
  }

  disconnect(id: number): void {
    this.#connections.get(id)?.disconnect();
    this.#connections.delete(id);
  }

  close(): void {
    for (const id of [...this.#connections.keys()]) this.disconnect(id);
  }

  async set(key: string, value: string): Promise<WriteOutcome> {
    const connection = this.#next();
    if (connection === undefined) return 'refused';
    try {
      await connection.set(key, value);
      return 'acknowledged';
    } catch (error) {
      return outcomeOfFailure(error);
    }
  }

  /** Through any node, or through node `id`. */
  async get(key: string, id?: number): Promise<ReadResult> {
    try {
      const connection = id === undefined ? this.#next() : this.#connections.get(id);
      const text = await connection?.get(key);
      return text === undefined ? { ok: false } : { ok: true, text };
    } catch {
      // A read that failed says nothing about the data.
      return { ok: false };
    }
  }

  #next(): Redis | undefined {
    const usable = [...this.#connections.values()].filter((connection) => connection.status === 'ready');
    return usable[this.#turn++ % Math.max(usable.length, 1)];
  }
}
