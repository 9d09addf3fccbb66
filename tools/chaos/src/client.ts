/**
 * One client of the Redis protocol, as any user could write it: one connection to one node at a time, one command
 * at a time, and nothing that sends a command twice.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { outcomeOfFailure, type HostPort, type Random } from '@balsa/cluster';
import { Redis } from 'ioredis';

/** What came of a command: an answer, the promise that nothing happened, or neither. */
export type Outcome =
  | { readonly kind: 'ok'; readonly reply: unknown }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'refused' };

/** An answer that takes longer is not waited for, in milliseconds. */
const commandTimeoutMs = 4_000;
const connectMs = 1_000;
/** A node that is not there is given up after this, in milliseconds. */
const readyMs = 400;
/** After a command that was not answered well, in milliseconds. */
const pauseMs = 20;
/** One command in so many is followed by a change of node, so that all are asked. */
const commandsPerNode = 200;

export class Client {
  readonly #nodes: () => readonly HostPort[];
  readonly #random: Random;
  #redis: Redis | undefined;
  #left = 0;

  constructor(nodes: () => readonly HostPort[], random: Random) {
    this.#nodes = nodes;
    this.#random = random;
  }

  async call(command: string, ...args: readonly string[]): Promise<Outcome> {
    const redis = await this.#connection();
    if (redis === undefined) return this.#failed({ kind: 'refused' });
    try {
      return { kind: 'ok', reply: await redis.call(command, ...args) };
    } catch (error) {
      return this.#failed({ kind: outcomeOfFailure(error) });
    }
  }

  close(): void {
    this.#redis?.disconnect();
    this.#redis = undefined;
  }

  /** Whatever went wrong, another node may know better. */
  async #failed(outcome: Outcome): Promise<Outcome> {
    this.close();
    await sleep(pauseMs);
    return outcome;
  }

  async #connection(): Promise<Redis | undefined> {
    if (this.#left-- <= 0) this.close();
    if (this.#redis?.status === 'ready') return this.#redis;
    this.close();
    const node = this.#random.pick(this.#nodes());
    if (node === undefined) return undefined;
    this.#left = commandsPerNode;
    const redis = new Redis({
      ...node,
      enableOfflineQueue: false,
      enableReadyCheck: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      disableClientInfo: true,
      connectTimeout: connectMs,
      commandTimeout: commandTimeoutMs,
      retryStrategy: () => null,
    });
    redis.on('error', () => undefined);
    this.#redis = redis;
    return (await becomesReady(redis)) ? redis : undefined;
  }
}

function becomesReady(redis: Redis): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      resolve(false);
    }, readyMs);
    const end = (ready: boolean): void => {
      clearTimeout(timer);
      resolve(ready);
    };
    redis.once('ready', () => {
      end(true);
    });
    redis.once('close', () => {
      end(false);
    });
  });
}
