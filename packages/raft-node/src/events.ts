/** What a node tells those who listen. */
import {
  BalsaError,
  LogLevel,
  type ConfState,
  type LogIndex,
  type Logger,
  type NodeId,
  type Term,
} from '@balsa/raft-core';
import type { MemberStatus, NodeRole, SnapshotProgress } from './status.ts';

export interface NodeEvents {
  /** This node changed its role. */
  readonly role: { readonly role: NodeRole; readonly term: Term };
  /** The leader known to this node changed; undefined when none is known. */
  readonly leader: { readonly leader: NodeId | undefined; readonly term: Term };
  /** A membership change, or a snapshot with its membership, took effect on this node. */
  readonly membership: {
    readonly index: LogIndex;
    readonly confState: ConfState;
    readonly members: readonly MemberStatus[];
  };
  /** Entries up to `index` are gone from the log. */
  readonly compacted: { readonly index: LogIndex };
  /** A snapshot began, moved on (at most once a chunk), ended or failed. */
  readonly snapshot: SnapshotProgress;
  /** The node has stopped for good; `error` when it did so by itself. Emitted once. */
  readonly stopped: { readonly error?: BalsaError };
}

export type NodeListener<K extends keyof NodeEvents> = (event: NodeEvents[K]) => void;

/** Typed listeners. A listener that throws is logged and does not disturb the node. */
export class NodeEmitter {
  readonly #listeners = new Map<keyof NodeEvents, Set<(event: never) => void>>();
  readonly #log: Logger;

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Returns the function that removes the listener again. */
  on<K extends keyof NodeEvents>(event: K, listener: NodeListener<K>): () => void {
    checkListener(event, listener);
    let set = this.#listeners.get(event);
    if (set === undefined) this.#listeners.set(event, (set = new Set()));
    set.add(listener);
    const listeners = set;
    return () => {
      listeners.delete(listener);
    };
  }

  emit<K extends keyof NodeEvents>(event: K, value: NodeEvents[K]): void {
    for (const listener of this.#listeners.get(event) ?? []) {
      try {
        // An asynchronous function passes for one that returns nothing; nobody else would take what it rejects with.
        const returned = (listener as (event: NodeEvents[K]) => unknown)(value);
        if (returned instanceof Promise) returned.catch((error: unknown) => this.#say(event, error));
      } catch (error) {
        this.#say(event, error);
      }
    }
  }

  #say(event: keyof NodeEvents, error: unknown): void {
    this.#log.log(LogLevel.Error, `a listener of '${event}' threw: ${String(error)}`, { error });
  }
}

const names = {
  role: true,
  leader: true,
  membership: true,
  compacted: true,
  snapshot: true,
  stopped: true,
} as const satisfies Readonly<Record<keyof NodeEvents, true>>;

/** One that is never called, or cannot be, is a mistake that is better told at once. */
function checkListener(event: string, listener: unknown): void {
  if (!Object.hasOwn(names, event)) {
    const text = `there is no event "${event}"; there are: ${Object.keys(names).join(', ')}`;
    throw new BalsaError('INVALID_ARGUMENT', text);
  }
  if (typeof listener !== 'function')
    throw new BalsaError('INVALID_ARGUMENT', `a listener of '${event}' has to be a function`);
}
