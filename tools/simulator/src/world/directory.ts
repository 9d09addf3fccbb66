/** Directories of a simulated disk: names need a sync of their own, apart from the files. */
import type { Chance } from './chance.ts';
import type { Inode, Losses, Survival } from './inode.ts';

export type Node = Inode | Directory;

type NameChange =
  | { readonly kind: 'set'; readonly name: string; readonly node: Node }
  | { readonly kind: 'remove'; readonly name: string }
  | { readonly kind: 'rename'; readonly from: string; readonly to: string; readonly node: Node };

export class Directory {
  readonly names: Map<string, Node> = new Map();
  readonly #durable = new Map<string, Node>();
  #pending: NameChange[] = [];

  set(name: string, node: Node): void {
    this.names.set(name, node);
    this.#pending.push({ kind: 'set', name, node });
  }

  remove(name: string): void {
    if (this.names.delete(name)) this.#pending.push({ kind: 'remove', name });
  }

  rename(from: string, to: string, node: Node): void {
    this.names.delete(from);
    this.names.set(to, node);
    this.#pending.push({ kind: 'rename', from, to, node });
  }

  sync(): void {
    for (const change of this.#pending) apply(this.#durable, change);
    this.#pending = [];
  }

  losePower(survival: Survival, chance: Chance, losses: Losses): void {
    const cut = chance.below(this.#pending.length + 1);
    for (const [i, change] of this.#pending.entries()) {
      const kept =
        survival === 'everything' ||
        (survival === 'prefix' && i < cut) ||
        (survival === 'anything' && chance.happens(0.5));
      if (kept) apply(this.#durable, change);
      else losses.lost++;
    }
    this.#pending = [];
    this.names.clear();
    for (const [name, node] of this.#durable) {
      this.names.set(name, node);
      node.losePower(survival, chance, losses);
    }
  }

  /** All files under it that have bytes, with their paths. */
  *files(path = ''): Generator<readonly [path: string, inode: Inode]> {
    for (const [name, node] of this.names) {
      if (node instanceof Directory) yield* node.files(`${path}/${name}`);
      else yield [`${path}/${name}`, node];
    }
  }
}

function apply(names: Map<string, Node>, change: NameChange): void {
  if (change.kind === 'remove') names.delete(change.name);
  else if (change.kind === 'set') names.set(change.name, change.node);
  else {
    if (names.get(change.from) === change.node) names.delete(change.from);
    names.set(change.to, change.node);
  }
}
