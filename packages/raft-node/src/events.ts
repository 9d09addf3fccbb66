/** What a node tells those who listen. */
import {
  LogLevel,
  type BalsaError,
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
        (listener as NodeListener<K>)(value);
      } catch (error) {
        this.#log.log(LogLevel.Error, `a listener of '${event}' threw: ${String(error)}`, { error });
      }
    }
  }
}
