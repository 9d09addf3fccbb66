/** What the suite is pointed at, and how it is run. */
import type { Engine } from '@balsa/raft-core';

/** One place for data: a directory, a database number, a memory disk. */
export interface Harness {
  /** Opens the engine on it; called again after `engine.close()`, it finds the same data. */
  open(): Promise<Engine>;
  /** Removes the place. The engine is closed by then. */
  destroy(): Promise<void>;
}

/** A store under test. */
export interface Target {
  readonly name: string;
  /** A fresh, empty place each time. Places do not share anything. */
  create(): Promise<Harness>;
}

/** The two functions that vitest, node:test, mocha and jest all have. */
export interface Runner {
  describe(name: string, body: () => void): unknown;
  /** `timeoutMs` is for the slowest cases on a slow disk; a runner that takes no such argument ignores it. */
  test(name: string, body: () => Promise<void>, timeoutMs?: number): unknown;
}

/**
 * How much a case asks for: `core` within one life of the engine, `durable` across a clean closing and
 * reopening, `model` random histories compared with the reference model.
 */
export type Level = 'core' | 'durable' | 'model';
