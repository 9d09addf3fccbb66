/**
 * An engine that lives in a worker thread, and stands in for it on the calling thread.
 *
 * The event loop of the caller never waits for a disk: what it pays for a call is the copy of the payload and
 * one message for all calls of a turn. The contract is the same on both sides; codes, details and causes of
 * errors cross over.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  BalsaError,
  LogLevel,
  assertSafeInteger,
  type Engine,
  type Env,
  type OrderedStore,
  type Storage,
  type StorageCapabilities,
  type StoreIdentity,
} from '@balsa/raft-core';
import { unheededTimer } from '../real-env.ts';
import { IdleThreads } from './idle-threads.ts';
import { Link, endOf } from './link.ts';
import { engineHandle, type HostData } from './protocol.ts';
import { HostThread } from './thread.ts';
import { WorkerOrderedStore } from './worker-ordered-store.ts';
import { WorkerStorage } from './worker-storage.ts';

export interface WorkerEngineOptions {
  /** Of a module that plain Node can import in another thread; see {@link builtModule}. */
  readonly module: URL;
  /** Name of its function that opens the engine: `(options & { env: Env }) => Promise<Engine>`. */
  readonly open: string;
  /** For that function, but for `env`; survives the structured clone. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Its log gets the lines of the worker. Clock, timers and randomness of the worker are its own and real. */
  readonly env: Env;
  /** Calls in flight at once; beyond it they are refused with `OVERLOADED`. Default 4096. */
  readonly maxCalls?: number;
}

/**
 * URL of a built module: of `relative` beside the module whose `import.meta.url` is given, or, when that runs
 * from its TypeScript sources, of its counterpart in `dist`. Worker threads are plain Node.
 */
export function builtModule(relative: string, importer: string): URL {
  const beside = new URL(relative, importer);
  if (!importer.endsWith('.ts')) return beside;
  const at = beside.href.lastIndexOf('/src/');
  const built = new URL(`${beside.href.slice(0, at)}/dist/${beside.href.slice(at + '/src/'.length)}`);
  if (at >= 0 && existsSync(fileURLToPath(built))) return built;
  throw new BalsaError(
    'INVALID_ARGUMENT',
    `${fileURLToPath(built)}, which a worker thread is to run, is missing: build the packages first (npm run build)`,
  );
}

/** Of this process: threads that served an engine of a module can serve another of the same. */
const idleThreads = new IdleThreads<HostThread>({ max: 2, ms: 1000, setTimer: unheededTimer });

/**
 * Opens an engine in a worker thread. Rejects with what the engine's own opening rejects with, and with
 * `STORE_UNKNOWN_OUTCOME` when the thread dies meanwhile. When it dies later, every pending call rejects with
 * `STORE_UNKNOWN_OUTCOME` and every later one but `close` with `STORE_POISONED`.
 *
 * The thread serves one engine at a time. Behind a `close` that resolved, or an opening that was refused, it stays
 * for a second, at most two in a process, for the next engine of the same module; it keeps no process alive.
 */
export async function openWorkerEngine(options: WorkerEngineOptions): Promise<Engine> {
  const { module, open, env, maxCalls = 4096 } = options;
  assertSafeInteger(maxCalls, 'maxCalls', 1);
  const { log } = env;
  const data: HostData = {
    module: module.href,
    open,
    options: options.options,
    levels: Object.values(LogLevel).filter((level) => log.enabled(level)),
  };
  const { link, capabilities } = await Link.start({
    thread:
      idleThreads.take(data.module) ??
      new HostThread(builtModule('./main.js', import.meta.url), `balsa ${open}`),
    data,
    log,
    maxCalls,
    free: (thread) => idleThreads.give(data.module, thread),
  });
  return new WorkerEngine(link, Object.freeze(capabilities));
}

class WorkerEngine implements Engine {
  readonly capabilities: StorageCapabilities;
  readonly #link: Link;
  readonly #groups = new Map<string, WorkerStorage>();
  readonly #stores = new Map<string, WorkerOrderedStore>();
  #closing: Promise<void> | undefined;

  constructor(link: Link, capabilities: StorageCapabilities) {
    this.#link = link;
    this.capabilities = capabilities;
  }

  async identity(): Promise<StoreIdentity | undefined> {
    return this.#call('identity', []);
  }

  async stamp(identity: StoreIdentity): Promise<void> {
    await this.#call('stamp', [{ ...identity }]);
  }

  group(id: string): Storage {
    this.#check();
    checkName(id, 'a group id');
    return this.#named(this.#groups, id, 'group', (handle, onClose) => {
      return new WorkerStorage(id, this.#link, handle, () => this.#assertNotClosed(), onClose);
    });
  }

  async listGroups(): Promise<string[]> {
    return this.#call('listGroups', []);
  }

  async destroyGroup(id: string): Promise<void> {
    await this.#call('destroyGroup', [id]);
  }

  async listOrderedStores(): Promise<string[]> {
    return this.#call('listOrderedStores', []);
  }

  orderedStore(name: string): OrderedStore {
    this.#check();
    checkName(name, 'the name of an ordered store');
    return this.#named(this.#stores, name, 'orderedStore', (handle, onClose) => {
      return new WorkerOrderedStore(name, this.#link, handle, () => this.#assertNotClosed(), onClose);
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    let clean = false;
    try {
      await endOf(this.#link, engineHandle, 'close');
      await this.#link.drained();
      clean = true;
    } finally {
      await this.#link.end(clean);
    }
  }

  /** One object for each name until it is closed, known to the worker from the next message on. */
  #named<T extends object>(
    known: Map<string, T>,
    name: string,
    method: string,
    make: (handle: number, onClose: () => void) => T,
  ): T {
    const present = known.get(name);
    if (present !== undefined) return present;
    const handle = this.#link.newHandle();
    const made = make(handle, () => known.delete(name));
    known.set(name, made);
    this.#link.adopt(made, handle);
    // Fails only when the worker dies, which every call on the object will say.
    this.#link.call(engineHandle, method, [name], { as: handle, ends: true }).catch(() => undefined);
    return made;
  }

  #call<T>(method: string, args: readonly unknown[]): Promise<T> {
    this.#check();
    return this.#link.call<T>(engineHandle, method, args);
  }

  #assertNotClosed(): void {
    if (this.#closing !== undefined) throw new BalsaError('STORE_CLOSED', 'the engine is closed');
  }

  #check(): void {
    this.#assertNotClosed();
    this.#link.check();
  }
}

/** As every engine does it, but here in this turn: the contract throws it, it does not reject with it. */
function checkName(name: string, what: string): void {
  if (name.length >= 1 && name.length <= 256) return;
  throw new BalsaError(
    'INVALID_ARGUMENT',
    `${what} has 1 to 256 UTF-16 units, this one ${String(name.length)}`,
  );
}
