import type { Env, OrderedStore } from '@balsa/raft-core';
import type { NodeStatus } from '@balsa/raft-node';
import { encodeCommand, type KvCommand } from '../machine/command.ts';
import type { StateDigest } from '../machine/digest.ts';
import { maxCommandBytes } from '../machine/limits.ts';
import type { KvStateMachine } from '../machine/state-machine.ts';
import { storeKey } from '../machine/store-key.ts';
import type { ReplicatedLog } from '../replicated-log.ts';
import { error, type ErrorReply, type Reply } from '../resp/reply.ts';
import { readErrorReply, writeErrorReply } from './error-reply.ts';
import type { KvLimits } from './limits.ts';
import { ReadBatcher } from './read-batcher.ts';
import type { Session } from './session.ts';

/** What happened on one server since it started. */
export interface ServiceCounters {
  connectionsAccepted: number;
  connectionsRefused: number;
  commands: number;
  reads: number;
  writes: number;
  errors: number;
  unknownOutcomes: number;
  protocolErrors: number;
  bytesIn: number;
  bytesOut: number;
}

/** What the commands of all connections share: the log, the state, the bounds and the counts. */
export class KvService {
  readonly log: ReplicatedLog;
  readonly env: Env;
  readonly limits: KvLimits;
  readonly startedAt: number;
  readonly counters: ServiceCounters = {
    connectionsAccepted: 0,
    connectionsRefused: 0,
    commands: 0,
    reads: 0,
    writes: 0,
    errors: 0,
    unknownOutcomes: 0,
    protocolErrors: 0,
    bytesIn: 0,
    bytesOut: 0,
  };
  readonly connections: Map<number, Session> = new Map();
  /** Set while the server stops: it is not ready any more. */
  stopping = false;
  readonly reads: ReadBatcher;
  readonly #machine: KvStateMachine;
  #digest: Promise<StateDigest> | undefined;
  readonly #writeOptions: { readonly timeoutMs: number };
  #writesInFlight = 0;
  readonly #writersWaiting = new Set<() => void>();
  #pumps: (() => void)[] = [];

  constructor(log: ReplicatedLog, machine: KvStateMachine, env: Env, limits: KvLimits) {
    this.log = log;
    this.env = env;
    this.limits = limits;
    this.startedAt = env.now();
    this.#machine = machine;
    this.#writeOptions = { timeoutMs: limits.writeTimeoutMs };
    this.reads = new ReadBatcher(log, machine.store, limits.readTimeoutMs);
  }

  get store(): OrderedStore {
    return this.#machine.store;
  }

  get writesInFlight(): number {
    return this.#writesInFlight;
  }

  sessions(): Session[] {
    return [...this.connections.values()];
  }

  /** Those who ask while one is being computed share it: it reads the whole state. */
  digest(): Promise<StateDigest> {
    this.#digest ??= this.#machine.digest().finally(() => {
      this.#digest = undefined;
    });
    return this.#digest;
  }

  /** The status of the node and, beside it, of the service. */
  statusJson(): NodeStatus & { readonly kv: object } {
    const { counters, connections } = this;
    const uptimeMs = Math.round(this.env.now() - this.startedAt);
    return {
      ...this.log.status(),
      kv: { uptimeMs, clients: connections.size, writesInFlight: this.#writesInFlight, ...counters },
    };
  }

  /** Whether this server can serve, and why not. */
  ready(): { readonly ok: boolean; readonly reason: string } {
    return this.stopping ? { ok: false, reason: 'the server is stopping' } : this.log.status().ready;
  }

  /** Whether a write may enter the log now; else `wake` is called, once, when it may be worth asking again. */
  admitsWrite(wake: () => void): boolean {
    if (this.#writesInFlight < this.limits.maxWritesInFlight) return true;
    this.#writersWaiting.add(wake);
    return false;
  }

  forgetWriter(wake: () => void): void {
    this.#writersWaiting.delete(wake);
  }

  /**
   * Puts the command into the log, at once and in the order of calls; `answer` gets its reply, once and in a later turn.
   * Never throws, never repeats. Not a promise: every one is a turn of its own, for every write.
   */
  write(command: KvCommand, answer: (reply: Reply) => void): void {
    const data = encodeCommand(command);
    if (data.length > maxCommandBytes) {
      const text = `ERR command exceeds maximum allowed size (${String(maxCommandBytes)} bytes)`;
      void Promise.resolve(error(text)).then(answer);
      return;
    }
    this.counters.writes += 1;
    this.#writesInFlight += 1;
    this.log.propose(data, this.#writeOptions).then(
      (result) => {
        this.#written();
        answer(result);
      },
      (problem: unknown) => {
        const reply = writeErrorReply(problem, this.env.log);
        if (reply.text.startsWith('UNKNOWN')) this.counters.unknownOutcomes += 1;
        this.#written();
        answer(reply);
      },
    );
  }

  /** One write out of the way. */
  #written(): void {
    this.#writesInFlight -= 1;
    this.#wakeWriters();
  }

  /** Calls `pump` once the results that come together are all there. */
  pumpSoon(pump: () => void): void {
    this.#pumps.push(pump);
    if (this.#pumps.length === 1) process.nextTick(this.#pumpAll);
  }

  readonly #pumpAll = (): void => {
    const pumps = this.#pumps;
    this.#pumps = [];
    for (const pump of pumps) pump();
  };

  #wakeWriters(): void {
    if (this.#writersWaiting.size === 0) return;
    const waiting = [...this.#writersWaiting];
    this.#writersWaiting.clear();
    for (const wake of waiting) wake();
  }

  /** Looks at one key at a linearizable point. Never rejects. */
  async readKey(key: Uint8Array, reply: (value: Uint8Array | undefined) => Reply): Promise<Reply> {
    this.counters.reads += 1;
    try {
      return reply(await this.reads.get(storeKey(key)));
    } catch (problem) {
      return readErrorReply(problem, this.env.log);
    }
  }

  /** Runs a read, at a linearizable point if asked to. Never rejects. */
  async readWith(run: () => Promise<Reply>, linearizable: boolean): Promise<Reply> {
    this.counters.reads += 1;
    try {
      if (linearizable) await this.reads.point();
      return await run();
    } catch (problem) {
      return readErrorReply(problem, this.env.log);
    }
  }

  /** The values of user keys, in their order and of one moment; undefined when they are more than one reply may hold. */
  async getAll(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[] | undefined> {
    const values = await this.store.getMany(keys.map(storeKey));
    let bytes = 0;
    for (const value of values) bytes += value?.length ?? 0;
    return bytes > this.limits.maxReplyBytes ? undefined : values;
  }

  replyTooLarge(): ErrorReply {
    return error(
      `ERR reply exceeds maximum allowed size (${String(this.limits.maxReplyBytes)} bytes): ask for fewer keys`,
    );
  }

  async countExisting(keys: readonly Uint8Array[]): Promise<number> {
    const values = await this.store.getMany(keys.map(storeKey));
    return values.filter((value) => value !== undefined).length;
  }
}
