/**
 * What a running node has to itself: its group of the engine, its state machine, its transport, and an engine that it owns.
 *
 * A second node on one of them would be refused by that part, but late: what it then closes behind itself is what the
 * first one works with.
 */
import { BalsaError, type Engine } from '@balsa/raft-core';
import type { NodeSettings, RaftNodeOptions } from './options.ts';

/** Groups by the node that has them, and whether one of these owns the engine. */
interface EngineUse {
  readonly groups: Map<string, string>;
  owned: boolean;
}

const taken = new WeakMap<object, string>();
const engines = new WeakMap<Engine, EngineUse>();

/** Whether a node works with that engine. */
export function isUsed(engine: Engine): boolean {
  return (engines.get(engine)?.groups.size ?? 0) > 0;
}

/** Throws `INVALID_ARGUMENT`, and claims nothing, when another node has a part of these. Returns what gives them back. */
export function claim<R>(options: RaftNodeOptions<R>, { id, group }: NodeSettings): () => Promise<void> {
  const { engine, stateMachine, transport, ownEngine = false } = options;
  const who = `node ${String(id)}, group "${group}"`;
  const use = engines.get(engine) ?? { groups: new Map<string, string>(), owned: false };
  assertFree(`group "${group}" of the engine`, use.groups.get(group));
  assertFree('stateMachine', taken.get(stateMachine));
  assertFree('transport', taken.get(transport));
  if (use.groups.size > 0 && (use.owned || ownEngine))
    refuse('engine is in use by another node', 'leave ownEngine out for all of them, and close it yourself');
  taken.set(stateMachine, who).set(transport, who);
  use.groups.set(group, who);
  use.owned = ownEngine;
  engines.set(engine, use);
  return () => {
    taken.delete(stateMachine);
    taken.delete(transport);
    use.groups.delete(group);
    use.owned = false;
    return Promise.resolve();
  };
}

function assertFree(what: string, who: string | undefined): void {
  if (who !== undefined) refuse(`${what} is in use by ${who}`, 'give each node one of its own');
}

function refuse(why: string, instead: string): never {
  throw new BalsaError('INVALID_ARGUMENT', `${why}: ${instead}`);
}
