/** Callers that wait for one and the same thing to happen. */
import type { BalsaError, ConfState, Env, NodeId } from '@balsa/raft-core';
import { Call } from './call.ts';

export class Waiters<T> {
  readonly #env: Env;
  #waiting: { readonly call: Call<T>; readonly late: () => BalsaError }[] = [];

  constructor(env: Env) {
    this.#env = env;
  }

  /** Rejects with what `late` makes after `timeoutMs`, to within one tick. */
  wait(timeoutMs: number, late: () => BalsaError): Promise<T> {
    const call = new Call<T>(this.#env, {}, timeoutMs, () => undefined);
    this.#waiting.push({ call, late });
    return call.promise;
  }

  resolve(value: T): void {
    for (const { call } of this.#waiting.splice(0)) call.resolve(value);
  }

  reject(error: BalsaError): void {
    for (const { call } of this.#waiting.splice(0)) call.reject(error);
  }

  tick(): void {
    const now = this.#env.now();
    this.#waiting = this.#waiting.filter(({ call, late }) => {
      if (now < call.deadline) return true;
      call.reject(late());
      return false;
    });
  }
}

/** Everything of one node that many callers may wait for. */
export class NodeWaiters {
  /** For another leader. */
  readonly transfers: Waiters<NodeId>;
  /** For any leader to be known anew. */
  readonly leaders: Waiters<NodeId>;
  /** For a joint configuration to be left. */
  readonly joint: Waiters<ConfState>;

  constructor(env: Env) {
    this.transfers = new Waiters<NodeId>(env);
    this.leaders = new Waiters<NodeId>(env);
    this.joint = new Waiters<ConfState>(env);
  }

  /** The leader is `leader` now, 0 for nobody; this node is `self`. */
  onLeader(leader: NodeId, self: NodeId): void {
    if (leader === 0) return;
    this.leaders.resolve(leader);
    if (leader !== self) this.transfers.resolve(leader);
  }

  tick(): void {
    this.transfers.tick();
    this.leaders.tick();
    this.joint.tick();
  }

  reject(error: BalsaError): void {
    this.transfers.reject(error);
    this.leaders.reject(error);
    this.joint.reject(error);
  }
}
