/** Who is cut off from whom. Each cut ends by itself, and leaves the others as they are. */
import type { MemoryNetwork } from '@balsa/transport-memory';

export class Cuts {
  readonly #network: MemoryNetwork;
  readonly #open = new Set<(network: MemoryNetwork) => void>();

  constructor(network: MemoryNetwork) {
    this.#network = network;
  }

  /** Whether anything is cut. */
  get any(): boolean {
    return this.#open.size > 0;
  }

  /** Cuts as `make` says; what is given back ends it. */
  add(make: (network: MemoryNetwork) => void): () => void {
    // A function of its own, so that two alike are two.
    const cut = (network: MemoryNetwork): void => make(network);
    this.#open.add(cut);
    cut(this.#network);
    return () => {
      if (!this.#open.delete(cut)) return;
      // The network knows only how to be whole again.
      this.#network.heal();
      for (const other of this.#open) other(this.#network);
    };
  }

  endAll(): void {
    this.#open.clear();
    this.#network.heal();
  }
}
