/** The owner's pen: every change goes through here, gets its sequence, and ends in one of the three outcomes. */
import { BalsaError, isBalsaError, type Durability, type Env } from '@balsa/raft-core';
import type { Watermark } from '@balsa/storage-kit';
import { ServerError, type Argument, type Connection, type Reply } from './connection.ts';
import { closedError, fenced, poisoned, refused, unknownOutcome } from './errors.ts';
import { digits, splitHead } from './head.ts';
import type { Script } from './scripts.ts';
import { isOnLocalDisk } from './wait-aof.ts';

export interface LogWriterOptions {
  readonly env: Env;
  readonly connection: Connection;
  readonly durability: Durability;
  readonly epoch: number;
  /** The highest that any part holds, or that the watermark does. */
  readonly sequence: number;
  /** Undefined for a relaxed store without one. */
  readonly watermark: Watermark | undefined;
  /** Whether the server needs WAITAOF after each write. Asked for each write: a reconnection may change it. */
  readonly needsWaitAof: () => boolean;
  readonly replyTimeoutMs: number;
}

/** One change, as a script that sets a head. */
export interface Change {
  /** For messages. */
  readonly what: string;
  readonly script: Script;
  readonly keys: readonly string[];
  readonly args: readonly Argument[];
  readonly sequence: number;
  readonly syncWatermark: boolean;
}

/** The watermark is told, without a sync, of every so many writes: it trails by less than its bound anyway. */
const notedEvery = 64;

export class LogWriter {
  readonly epoch: string;
  readonly #options: LogWriterOptions;
  #sequence: number;
  #poison: unknown;
  #fenced = false;
  #closed = false;
  #lastSyncMs = 0;
  /** The highest that was acknowledged, and the highest that the watermark was told. */
  #acknowledged = 0;
  #noted = 0;
  #changes = 0;

  constructor(options: LogWriterOptions) {
    this.#options = options;
    this.epoch = digits(options.epoch);
    this.#sequence = options.sequence;
    this.#acknowledged = options.watermark?.sequence ?? 0;
    this.#noted = this.#acknowledged;
  }

  get connection(): Connection {
    return this.#options.connection;
  }

  get poison(): unknown {
    return this.#poison;
  }

  /** Whether a change would be tried: neither closed nor poisoned nor fenced, and the connection is there. */
  get mayWrite(): boolean {
    return !this.#closed && this.#poison === undefined && !this.#fenced && this.#options.connection.usable;
  }

  /** How many changes were sent, with and without effect. */
  get changes(): number {
    return this.#changes;
  }

  get lastSyncMs(): number {
    return this.#lastSyncMs;
  }

  /** Throws when the engine is closed, poisoned, or owned by another. */
  check(): void {
    if (this.#closed) throw closedError('the engine');
    if (this.#poison !== undefined) throw poisoned(this.#poison);
    if (this.#fenced) throw fenced('this engine may not write any more');
  }

  close(): void {
    this.#closed = true;
  }

  /** The connection, made and checked anew where it was lost. What fails here had no effect. */
  async ready(): Promise<void> {
    if (this.#options.connection.usable) return;
    await this.#options.connection.ready();
    this.check();
  }

  /** Grows with every change. To be asked for in the turn in which the change is sent. */
  nextSequence(): number {
    return ++this.#sequence;
  }

  /** Sends a change over the present connection; resolves when it is durable, with what the script gave. */
  async commit(change: Change): Promise<Reply> {
    const { env, watermark, connection } = this.#options;
    const { what, script, keys, args, sequence, syncWatermark } = change;
    const began = env.now();
    this.#changes++;
    let reply: Reply;
    let isWritten = false;
    try {
      reply = await connection.run(script, keys, args);
      this.#checkReply(reply, what);
      isWritten = true;
      if (this.#options.needsWaitAof()) await this.#waitForDisk();
    } catch (error) {
      throw this.#fail(error, what, isWritten);
    }
    this.#lastSyncMs = env.now() - began;
    this.#acknowledged = Math.max(this.#acknowledged, sequence);
    const isDue = syncWatermark || watermark?.mustSync(sequence) === true;
    if (isDue || sequence - this.#noted >= notedEvery) {
      this.#noted = sequence;
      try {
        const synced = watermark?.advance(sequence, syncWatermark);
        if (synced !== undefined) await synced;
      } catch (error) {
        this.#poison ??= error;
        throw error;
      }
    }
    return reply;
  }

  /** What the watermark has not been told yet, because that costs as much as a small write. */
  noteAll(): void {
    const synced = this.#options.watermark?.advance(this.#acknowledged, false);
    // What goes wrong here, closing the watermark tells.
    synced?.catch(() => undefined);
  }

  /** Runs a fenced script whose effect nothing refers to yet: when it is cut off, that is no unknown outcome. */
  async prepare(
    script: Script,
    keys: readonly string[],
    args: readonly Argument[],
    what: string,
  ): Promise<Reply> {
    await this.ready();
    this.#changes++;
    try {
      const reply = await this.#options.connection.run(script, keys, args);
      this.#checkReply(reply, what);
      return reply;
    } catch (error) {
      throw refused(error, what);
    }
  }

  /** Makes durable what was prepared, where the server does not do that by itself. */
  async settleOnDisk(what: string): Promise<void> {
    if (!this.#options.needsWaitAof()) return;
    try {
      await this.#waitForDisk();
    } catch (error) {
      throw refused(error, what);
    }
  }

  /** Reads; what fails had no effect. */
  async read(name: string, args: readonly Argument[], what: string): Promise<Reply> {
    await this.ready();
    try {
      return await this.#options.connection.call(name, args);
    } catch (error) {
      throw refused(error, what);
    }
  }

  /** Whatever is found at a later time cannot be what was acknowledged. */
  lose(error: BalsaError): BalsaError {
    this.#poison ??= error;
    return error;
  }

  /** Another engine has taken over. */
  fence(what: string): BalsaError {
    this.#fenced = true;
    return fenced(what);
  }

  #checkReply(reply: Reply, what: string): void {
    if (!Buffer.isBuffer(reply)) return;
    const text = reply.toString('latin1');
    if (text === 'OK') return;
    throw this.judgeHead(text, what);
  }

  /** A head was found where another was expected: somebody else's, or one that time took back. */
  judgeHead(found: string, what: string): BalsaError {
    const epoch = splitHead(found)?.epoch;
    if (epoch !== undefined && digits(epoch) > this.epoch) return this.fence(what);
    return this.lose(
      new BalsaError(
        'STORE_ACKNOWLEDGED_WRITE_LOST',
        `${what}: the server does not hold what was written last, but ${found === '' ? 'nothing' : JSON.stringify(found)}`,
        { details: { found } },
      ),
    );
  }

  async #waitForDisk(): Promise<void> {
    const { connection, replyTimeoutMs } = this.#options;
    // Gives up before this end does: a reply that says no is better than none.
    const timeout = String(Math.max(1, Math.floor(replyTimeoutMs / 2)));
    const reply = await connection.call('waitaof', ['1', '0', timeout]);
    if (!isOnLocalDisk(reply)) throw new Error(`the server did not sync within ${timeout} ms`);
  }

  #fail(error: unknown, what: string, isWritten: boolean): BalsaError {
    // What the server answers to a script that changed nothing, or what kept it from being sent.
    if (!isWritten && isBalsaError(error)) return error;
    if (!isWritten && error instanceof ServerError && !error.message.startsWith('DAMAGED')) {
      if (error.message.startsWith('FENCED')) return this.fence(what);
      return refused(error, what);
    }
    this.#poison ??= error;
    return unknownOutcome(error, what);
  }
}
