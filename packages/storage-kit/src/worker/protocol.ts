/** What the two threads say to each other. Messages of one turn of the event loop travel as one array. */
import type { MessagePort } from 'node:worker_threads';
import type { LogLevel, StorageCapabilities } from '@balsa/raft-core';
import type { EncodedError } from './error-codec.ts';

/** Names an object that lives in the worker. The caller's side chooses it, so that a call can follow at once. */
export type Handle = number;

export const engineHandle: Handle = 0;

/** The reply that says how the opening went. */
export const openingId = 0;

export interface Call {
  readonly id: number;
  readonly target: Handle;
  readonly method: string;
  readonly args: readonly unknown[];
  /** Names the object that the call makes. */
  readonly as?: Handle;
}

/** The caller's side has forgotten an object. */
export interface Drop {
  readonly drop: Handle;
}

export type ToHost = Call | Drop;

export interface Reply {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: EncodedError;
  /** A list is not at its end: the next part is to be asked for. */
  readonly more?: boolean;
}

export interface LogLine {
  readonly level: LogLevel;
  readonly text: string;
  readonly fields?: Readonly<Record<string, unknown>>;
}

export type ToCaller = Reply | LogLine;

/** An engine that a thread is to open. */
export interface HostData {
  /** URL of a module that plain Node can import. */
  readonly module: string;
  /** Name of the function in it that opens the engine. */
  readonly open: string;
  readonly options: Readonly<Record<string, unknown>>;
  /** Levels that the caller's log wants to hear. */
  readonly levels: readonly LogLevel[];
}

/** What a thread is told: an engine, and the port over which everything about it goes. */
export interface Session {
  readonly port: MessagePort;
  readonly data: HostData;
}

export interface Opened {
  readonly capabilities: StorageCapabilities;
}
