/**
 * What the tests of adapters share: a real Env, directories that go away, entries. It depends on no runner.
 * @packageDocumentation
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  Entry,
  EntryType,
  isBalsaError,
  silentLogger,
  type Engine,
  type Env,
  type Storage,
  type StorageCapabilities,
} from '@balsa/raft-core';
import { realEnv } from '../real-env.ts';

export const env: Env = realEnv(silentLogger);

/** Things that a test has opened and made, gone when it ends, the last one first. */
export class TestHome {
  readonly #prefix: string;
  readonly #cleanups: (() => unknown)[] = [];

  /** `afterEach` is the runner's; `prefix` begins the names of directories. */
  constructor(afterEach: (run: () => Promise<void>) => unknown, prefix: string) {
    this.#prefix = prefix;
    afterEach(() => this.clean());
  }

  readonly temporaryDirectory = (): string => {
    const directory = mkdtempSync(join(tmpdir(), this.#prefix));
    this.atEnd(() => {
      rmSync(directory, { recursive: true, force: true });
    });
    return directory;
  };

  atEnd(cleanup: () => unknown): void {
    this.#cleanups.push(cleanup);
  }

  /** `part`, closed when the test ends, if it is not before. A failure to close is the test's own affair. */
  closing<T extends { close(): Promise<unknown> }>(part: T): T {
    this.atEnd(() => part.close().catch(() => undefined));
    return part;
  }

  async clean(): Promise<void> {
    for (const cleanup of this.#cleanups.splice(0).reverse()) await cleanup();
  }
}

export async function openGroup(engine: Engine, id = 'g'): Promise<Storage> {
  const storage = engine.group(id);
  await storage.open();
  return storage;
}

export function key(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function entry(
  index: number,
  term: number,
  data: string | Uint8Array = `data-${String(index)}`,
): Entry {
  return new Entry(term, index, EntryType.Normal, typeof data === 'string' ? key(data) : data);
}

export function entries(first: number, count: number, term = 1, data?: string | Uint8Array): Entry[] {
  return Array.from({ length: count }, (_, i) => entry(first + i, term, data));
}

/** The registered code that a promise rejects with; `none` when it resolves. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'none';
  } catch (error) {
    return isBalsaError(error) ? error.code : String(error);
  }
}

/** An engine that says other capabilities than it has: how a store that lies is made. */
export function pretending(engine: Engine, pretend: Partial<StorageCapabilities> | undefined): Engine {
  if (pretend === undefined) return engine;
  const capabilities = { ...engine.capabilities, ...pretend };
  return new Proxy(engine, {
    get: (target, name): unknown => {
      if (name === 'capabilities') return capabilities;
      const found: unknown = Reflect.get(target, name, target);
      return typeof found === 'function' ? (found.bind(target) as unknown) : found;
    },
  });
}
