/** The caller's side of the two threads: begins a session, numbers calls, and knows when the thread is dead. */
import { receiveMessageOnPort, type MessagePort } from 'node:worker_threads';
import { BalsaError, LogLevel, isBalsaError, type Logger, type StorageCapabilities } from '@balsa/raft-core';
import { decodeError, decodeFields } from './error-codec.ts';
import { Outbox } from './outbox.ts';
import type { Packed } from './payload.ts';
import {
  openingId,
  type Call,
  type Handle,
  type HostData,
  type Opened,
  type Reply,
  type ToCaller,
  type ToHost,
} from './protocol.ts';
import type { HostThread } from './thread.ts';

/** What beside its arguments a call carries. */
export interface CallExtras {
  /** Buffers among the arguments; they are gone afterwards. */
  readonly transfer?: readonly ArrayBuffer[];
  /** Names the object that the call makes. */
  readonly as?: Handle;
  /** Ends something: goes also when too many calls are in flight. */
  readonly ends?: boolean;
}

interface PendingCall {
  resolve(reply: Reply): void;
  reject(error: Error): void;
}

export interface LinkOptions {
  /** Serves nobody else. */
  readonly thread: HostThread;
  readonly data: HostData;
  readonly log: Logger;
  /** Calls without an answer yet; `OVERLOADED` beyond. */
  readonly maxCalls: number;
  /** Gets the thread when it serves nobody any more and is as good as new. */
  readonly free: (thread: HostThread) => void;
}

export class Link {
  readonly #thread: HostThread;
  readonly #port: MessagePort;
  readonly #free: (thread: HostThread) => void;
  readonly #log: Logger;
  readonly #maxCalls: number;
  readonly #outbox: Outbox<ToHost>;
  readonly #pending = new Map<number, PendingCall>();
  readonly #forgotten: FinalizationRegistry<Handle>;
  #lastCall: number = openingId;
  #lastHandle: Handle = 0;
  /** Why the worker is no more. */
  #death: unknown;
  #ending: Promise<void> | undefined;
  /** Calls and lists that have not settled, and who waits for the last of them. */
  #active = 0;
  #idle: (() => void)[] = [];

  private constructor({ thread, data, log, maxCalls, free }: LinkOptions) {
    this.#log = log;
    this.#maxCalls = maxCalls;
    this.#free = free;
    this.#thread = thread;
    this.#port = this.#begin(data);
    this.#outbox = new Outbox<ToHost>(
      (items, transfer) => {
        this.#port.postMessage(items, transfer);
      },
      (item, error) => {
        if ('id' in item) this.#refuse(item, error);
      },
    );
    this.#forgotten = new FinalizationRegistry((handle) => {
      if (!this.gone) this.#outbox.push({ drop: handle });
    });
  }

  /** Resolves when the engine in the worker is open; rejects with what its opening rejected with. */
  static async start(
    options: LinkOptions,
  ): Promise<{ readonly link: Link; readonly capabilities: StorageCapabilities }> {
    const link = new Link(options);
    try {
      link.#thread.hold();
      const reply = await new Promise<Reply>((resolve, reject) => {
        link.#pending.set(openingId, { resolve, reject });
      });
      // From here on the worker keeps the process alive only while somebody waits for it.
      link.#thread.letGo();
      return { link, capabilities: (reply.value as Opened).capabilities };
    } catch (error) {
      // An adapter that refuses to open keeps nothing, in whatever thread.
      await link.end(isBalsaError(error) && error.outcome === 'refused');
      throw error;
    }
  }

  /** Whether there is nobody to talk to any more. */
  get gone(): boolean {
    return this.#ending !== undefined || this.#death !== undefined;
  }

  /** `STORE_CLOSED` once it was ended; `STORE_POISONED` when it died: what it was doing has an unknown outcome. */
  check(): void {
    if (this.#ending !== undefined) throw new BalsaError('STORE_CLOSED', 'the engine is closed');
    if (this.#death === undefined) return;
    throw new BalsaError(
      'STORE_POISONED',
      'the worker thread of this store has died; close the engine and open it again',
      { cause: this.#death },
    );
  }

  newHandle(): Handle {
    return ++this.#lastHandle;
  }

  /** The worker forgets the object of that name once nobody refers to its stand-in here any more. */
  adopt(standIn: WeakKey, handle: Handle): void {
    this.#forgotten.register(standIn, handle);
  }

  /** Sends at the end of the present turn. Calls arrive in the order made. */
  call<T>(
    target: Handle,
    method: string,
    args: readonly unknown[] = [],
    extras: CallExtras = {},
  ): Promise<T> {
    return this.#count(async () => (await this.#send(target, method, args, extras)).value as T);
  }

  /** A call that answers with a list, which comes in bounded parts. */
  list<T>(
    target: Handle,
    method: string,
    args: readonly unknown[],
    unpack: (packed: Packed) => readonly T[],
    transfer: readonly ArrayBuffer[] = [],
  ): Promise<T[]> {
    return this.#count(async () => {
      const id = this.#lastCall + 1;
      let reply = await this.#send(target, method, args, { transfer });
      const items: T[] = [];
      for (;;) {
        for (const item of unpack(reply.value as Packed)) items.push(item);
        if (reply.more !== true) return items;
        reply = await this.#send(target, 'more', [id], { ends: true });
      }
    });
  }

  /** Resolves when every call has settled. */
  async drained(): Promise<void> {
    while (this.#active > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  /**
   * Ends the session. `clean` says that nothing is left of its engine: then the thread may serve another, else it is
   * ended, whatever it does. Resolves when the thread is gone or free.
   */
  end(clean: boolean): Promise<void> {
    this.#ending ??= this.#end(clean);
    return this.#ending;
  }

  async #end(clean: boolean): Promise<void> {
    // The port is open for a while yet: what comes now is of nobody's call.
    this.#port.removeAllListeners('message');
    this.#port.close();
    if (!clean || this.#death !== undefined || this.#pending.size > 0) {
      await this.#thread.end();
      return;
    }
    this.#thread.letGo();
    const thread = this.#thread;
    // It is ended, too, when nobody has asked for it for a while.
    thread.onDeath((cause) => {
      if (!thread.isEnding) this.#sayDead('an idle worker thread', cause);
    });
    this.#free(thread);
  }

  async #count<T>(run: () => Promise<T>): Promise<T> {
    this.#active++;
    try {
      return await run();
    } finally {
      this.#active--;
      if (this.#active === 0) for (const resolve of this.#idle.splice(0)) resolve();
    }
  }

  #send(target: Handle, method: string, args: readonly unknown[], extras: CallExtras): Promise<Reply> {
    this.check();
    if (this.#pending.size >= this.#maxCalls && extras.ends !== true) {
      throw new BalsaError(
        'OVERLOADED',
        `${String(this.#pending.size)} calls to the worker thread of this store are in flight; wait for some`,
        { details: { maxCalls: this.#maxCalls } },
      );
    }
    const id = ++this.#lastCall;
    return new Promise((resolve, reject) => {
      if (this.#pending.size === 0) this.#thread.hold();
      this.#pending.set(id, { resolve, reject });
      const call: Call = { id, target, method, args, ...(extras.as !== undefined && { as: extras.as }) };
      this.#outbox.push(call, extras.transfer);
    });
  }

  #begin(data: HostData): MessagePort {
    const port = this.#thread.begin(data);
    port.on('message', (items: readonly ToCaller[]) => this.#take(items));
    port.on('messageerror', (error: unknown) => {
      this.#die(error);
      void this.#thread.end();
    });
    // It is the thread that keeps the process alive while somebody waits.
    port.unref();
    this.#thread.onDeath((cause) => {
      // What it said before it died.
      for (let last = receiveMessageOnPort(port); last !== undefined; last = receiveMessageOnPort(port))
        this.#take(last.message as readonly ToCaller[]);
      this.#die(cause);
    });
    return port;
  }

  #take(items: readonly ToCaller[]): void {
    for (const item of items) {
      if ('id' in item) this.#settle(item);
      else this.#log.log(item.level, item.text, item.fields && decodeFields(item.fields));
    }
  }

  #settle(reply: Reply): void {
    const pending = this.#withdraw(reply.id);
    if (pending === undefined) return;
    if (reply.error === undefined) pending.resolve(reply);
    else pending.reject(decodeError(reply.error));
  }

  #withdraw(id: number): PendingCall | undefined {
    const pending = this.#pending.get(id);
    if (pending === undefined) return undefined;
    this.#pending.delete(id);
    if (this.#pending.size === 0 && id !== openingId) this.#thread.letGo();
    return pending;
  }

  #refuse({ id, method }: Call, error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    const text = `an argument of ${method} cannot be given to another thread: ${reason}`;
    this.#withdraw(id)?.reject(new BalsaError('INVALID_ARGUMENT', text, { cause: error }));
  }

  /** Whatever was asked for may have happened, or half of it, or nothing. */
  #die(cause: unknown): void {
    if (this.#death !== undefined) return;
    this.#death = cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    for (const pending of this.#pending.values()) {
      pending.reject(
        new BalsaError('STORE_UNKNOWN_OUTCOME', `the worker thread of this store died: ${reason}`, { cause }),
      );
    }
    this.#pending.clear();
    if (this.#ending === undefined) this.#sayDead('the worker thread of a store', cause);
  }

  #sayDead(what: string, cause: unknown): void {
    if (!this.#log.enabled(LogLevel.Error)) return;
    const reason = cause instanceof Error ? cause.message : String(cause);
    this.#log.log(LogLevel.Error, `${what} died: ${reason}`, { error: cause });
  }
}

/** A call that ends an object. There is nothing left to end in a worker that is gone. */
export async function endOf(link: Link, handle: Handle, method: string): Promise<void> {
  if (!link.gone) await link.call(handle, method, [], { ends: true });
}
