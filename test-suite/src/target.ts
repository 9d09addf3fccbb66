/** What the suite is pointed at, and how it is run. */
import type { Engine } from '@balsa/raft-core';

/**
 * How much a case asks for:
 * - `core`: the rules within one life of the engine.
 * - `durable`: the same data after a clean closing and reopening.
 * - `crash`: the process that holds the data is killed at any step.
 * - `power`: a power cut at any step; what was not synced is lost, torn or reordered.
 * - `corruption`: bit flips, torn and truncated files, data at the wrong place.
 * - `faults`: no space, read and sync errors, permission lost, connection cut.
 * - `concurrency`: calls beside each other, second owners, late writes of old ones.
 * - `scale`: large entries, many entries, long append-and-compact cycles with flat latency and size.
 * - `model`: random histories compared with the reference model, with reopenings and, where the target can, crashes.
 */
export type Level =
  'core' | 'durable' | 'crash' | 'power' | 'corruption' | 'faults' | 'concurrency' | 'scale' | 'model';

/** All levels, in the order in which they are run and reported. */
export const levels: readonly Level[] = [
  'core',
  'durable',
  'crash',
  'power',
  'corruption',
  'faults',
  'concurrency',
  'scale',
  'model',
];

/**
 * What a target can let the suite do, beyond opening engines. Named in `Target.abilities`; each obliges the
 * harness to have the members said here. A case whose `needs` are not all there is reported as not applicable.
 * - `files`: `Harness.directory` and `Harness.files`: data are files that the suite may copy, cut and flip bits of.
 * - `child`: `Harness.child`: a process of the suite's own can open the same place, and be killed.
 * - `processes`: `Harness.processes`: the data are held by a server that can be killed and restarted. `child` then opens
 *   a client of it.
 * - `connection`: `Harness.connection`: the way between the engine and the server that holds the data can be broken.
 * - `crash`: `Harness.crash`: the life of the open engine can be ended within this process, as by a power cut.
 */
export type Ability = 'files' | 'child' | 'processes' | 'connection' | 'crash';

/** What a case may need: an ability, or the ordered key-value store, which a target may say it has not. */
export type Need = Ability | 'ordered-store';

/**
 * How another process opens the same place: it imports `module` and calls `export` with `argument`, which gives
 * a promise of an `Engine`: `await (await import(module))[export](argument)`. The module is JavaScript that plain
 * Node can import (an absolute path or a file: URL); the argument survives JSON.
 */
export interface ChildOpener {
  readonly module: string;
  readonly export: string;
  readonly argument?: unknown;
}

/** The server that holds the data of one place, for stores that keep them in another process. */
export interface ServerProcesses {
  /**
   * Starts it, with these variables added to its environment (the shim's `LD_PRELOAD` among them). Resolves when it
   * serves; rejects when it ends instead, which damage and faults can make it do.
   */
  start(extraEnv?: Readonly<Record<string, string>>): Promise<void>;
  /** Of the process that writes to the disk; undefined while none runs. */
  pid(): number | undefined;
  /** Ends it in good order. Resolves when the process is gone, at once when none runs or it was killed. */
  stop(): Promise<void>;
  /** Stops it when it runs (also after it was killed) and starts it again on the same data. */
  restart(extraEnv?: Readonly<Record<string, string>>): Promise<void>;
}

/**
 * What becomes of one request on its way to the server:
 * - `cut-before`: nothing of it arrives, and the connection is gone.
 * - `cut-during`: a part of it arrives, and the connection is gone.
 * - `cut-after`: all of it arrives, and the connection is gone before the reply.
 * - `delay`: nothing of it arrives before `ServerConnection.heal`, not even when the engine has given it up by then.
 * - `half-close`: all of it arrives, and nothing after it: the server sees the end of its input.
 * - `swallow-reply`: all of it arrives, no reply comes back, and the connection stays.
 */
export type ConnectionFault =
  'cut-before' | 'cut-during' | 'cut-after' | 'delay' | 'half-close' | 'swallow-reply';

/** A way to the server of one place that does what networks do: a proxy between the two, as a rule. */
export interface ServerConnection {
  /**
   * Opens the engine as `Harness.open` does, but this way. A reply that does not come has to be given up within
   * seconds, so the engine's own bound on it is set low here, or goes by the fault: the suite waits for it. A bound that
   * a slow disk reaches would be a fault that nobody asked for.
   */
  open(): Promise<Engine>;
  /**
   * The next request that changes data meets this fault, and none after it. Resolves when it has come. By what such a
   * request is known is the target's; the suite arms while nothing is under way and then calls `Storage.write` once.
   */
  arm(fault: ConnectionFault): Promise<void>;
  /** The engine loses every connection that it has this way. What is delayed still arrives, when it is healed. */
  cut(): void;
  /**
   * Everything is as it should be from here on: what is armed and did not come is forgotten, connections that a fault
   * has left half dead are cut, and what was delayed arrives. Resolves when the server has answered that, or has ended
   * its connection.
   */
  heal(): Promise<void>;
}

/** One place for data: a directory, a database number, a memory disk. */
export interface Harness {
  /** Opens the engine on it; called again after `engine.close()`, it finds the same data. */
  open(): Promise<Engine>;
  /** Removes the place. The engine is closed by then. Must work also after a crash and on damaged data. */
  destroy(): Promise<void>;
  /** `files`: absolute path of the directory below which all of the data lie. */
  readonly directory?: string;
  /** `files`: absolute paths of the files that hold data now; locks and sockets are not among them. */
  files?(): Promise<string[]>;
  /** `child`. */
  readonly child?: ChildOpener;
  /** `processes`. The server runs when `Target.create` resolves. */
  readonly processes?: ServerProcesses;
  /** `connection`. Ends with `destroy`. `open` goes another way, which no fault is on. */
  readonly connection?: ServerConnection;
  /** `crash`: drops what was not durable; later calls on the engine that was open reject; `open` works at once. */
  crash?(): Promise<void>;
}

/** A store under test. */
export interface Target {
  readonly name: string;
  /** Default: none. */
  readonly abilities?: readonly Ability[];
  /** False when the engine ships no ordered store: `engine.orderedStore(name)` then throws `INVALID_ARGUMENT`. */
  readonly orderedStore?: boolean;
  /** A fresh, empty place each time. Places do not share anything. */
  create(): Promise<Harness>;
}

/** Whether the target gives all of this; else what is missing, as a sentence. */
export function missingNeed(target: Target, needs: readonly Need[] = []): string | undefined {
  const missing = needs.filter((need) =>
    need === 'ordered-store' ? target.orderedStore === false : target.abilities?.includes(need) !== true,
  );
  if (missing.length === 0) return undefined;
  return `the target ${target.name} does not give: ${missing.join(', ')}`;
}

/** `test` of vitest, node:test and jest, `it` of mocha. */
export interface TestFunction {
  /** `timeoutMs` is for the slowest cases on a slow disk; a runner that takes no such argument ignores it. */
  (name: string, body: () => Promise<void>, timeoutMs?: number): unknown;
  /** Registers a test that is reported as skipped: for cases that do not apply to the target. */
  readonly skip?: (name: string, body: () => Promise<void>) => unknown;
}

/** The two functions that vitest, node:test, mocha and jest all have. */
export interface Runner {
  readonly describe: (name: string, body: () => void) => unknown;
  readonly test: TestFunction;
}
