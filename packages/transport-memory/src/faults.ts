/** What is wrong with the network at the moment: who cannot reach whom. */
import type { NodeId } from '@balsa/raft-core';

export class Reachability {
  #groupOf: Map<NodeId, number> | undefined;
  readonly #isolated = new Set<NodeId>();
  readonly #oneWay = new Set<string>();

  partition(groups: readonly (readonly NodeId[])[]): void {
    this.#groupOf = new Map();
    for (const [number, group] of groups.entries()) {
      for (const id of group) this.#groupOf.set(id, number);
    }
  }

  isolate(id: NodeId): void {
    this.#isolated.add(id);
  }

  block(from: NodeId, to: NodeId): void {
    this.#oneWay.add(`${String(from)}>${String(to)}`);
  }

  heal(): void {
    this.#groupOf = undefined;
    this.#isolated.clear();
    this.#oneWay.clear();
  }

  reaches(from: NodeId, to: NodeId): boolean {
    if (this.#isolated.has(from) || this.#isolated.has(to)) return false;
    if (this.#oneWay.has(`${String(from)}>${String(to)}`)) return false;
    if (this.#groupOf === undefined) return true;
    const group = this.#groupOf.get(from);
    return group !== undefined && group === this.#groupOf.get(to);
  }
}
