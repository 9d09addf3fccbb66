import type { OrderedStore } from '@balsa/raft-core';
import { storeKey } from './store-key.ts';

/**
 * The state as the commands of one batch see it: what the store held before, and the changes of the
 * commands so far. The values needed are fetched in one go, so applying a command is plain memory.
 */
export class Overlay {
  readonly #before: ReadonlyMap<string, Uint8Array | undefined>;
  readonly #changes = new Map<string, readonly [Uint8Array, Uint8Array | undefined]>();

  private constructor(before: ReadonlyMap<string, Uint8Array | undefined>) {
    this.#before = before;
  }

  /** Fetches the present values of `keys` (user keys, possibly repeated). */
  static async over(store: OrderedStore, keys: Iterable<Uint8Array>): Promise<Overlay> {
    const wanted = new Map<string, Uint8Array>();
    for (const key of keys) wanted.set(nameOf(key), key);
    if (wanted.size === 0) return new Overlay(new Map());
    const values = await store.getMany([...wanted.values()].map(storeKey));
    const before = new Map<string, Uint8Array | undefined>();
    let i = 0;
    for (const name of wanted.keys()) before.set(name, values[i++]);
    return new Overlay(before);
  }

  /** Only for keys that were fetched or written. */
  get(key: Uint8Array): Uint8Array | undefined {
    const name = nameOf(key);
    const change = this.#changes.get(name);
    return change === undefined ? this.#before.get(name) : change[1];
  }

  set(key: Uint8Array, value: Uint8Array): void {
    this.#changes.set(nameOf(key), [storeKey(key), value]);
  }

  delete(key: Uint8Array): void {
    this.#changes.set(nameOf(key), [storeKey(key), undefined]);
  }

  /** What to write: the last change of every key. */
  changes(): (readonly [Uint8Array, Uint8Array | undefined])[] {
    return [...this.#changes.values()];
  }
}

/** Bytes as a map key; one character a byte, so that different bytes are different names. See `bytesOf`. */
export function nameOf(key: Uint8Array): string {
  const bytes = key instanceof Buffer ? key : Buffer.from(key.buffer, key.byteOffset, key.length);
  return bytes.toString('latin1');
}

/** The bytes of which `name` is the name. */
export function bytesOf(name: string): Uint8Array {
  const bytes = new Uint8Array(name.length);
  for (let i = 0; i < name.length; i++) bytes[i] = name.charCodeAt(i);
  return bytes;
}
