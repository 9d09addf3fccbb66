import type { Engine, OrderedStore, Storage } from '@balsa/raft-core';
import type { Change } from './memory-target.ts';

/** `original` with some members replaced; all others are its own. */
export function override<T extends object>(original: T, replacements: Partial<T>): T {
  return new Proxy(original, {
    get(target, property) {
      if (Object.hasOwn(replacements, property)) return Reflect.get(replacements, property);
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

/** Remembers what was made of each object, so that the same one gives the same one. */
function once<T extends object>(change: (original: T) => T): (original: T) => T {
  const made = new WeakMap<T, T>();
  return (original) => {
    const known = made.get(original) ?? change(original);
    made.set(original, known);
    return known;
  };
}

/** Every group of every engine, with some members replaced. */
export function inGroups(replace: (storage: Storage) => Partial<Storage>): Change {
  const changed = once<Storage>((storage) => override(storage, replace(storage)));
  return (engine) => override<Engine>(engine, { group: (id) => changed(engine.group(id)) });
}

/** Every ordered store of every engine, with some members replaced. */
export function inOrderedStores(replace: (store: OrderedStore) => Partial<OrderedStore>): Change {
  const changed = once<OrderedStore>((store) => override(store, replace(store)));
  return (engine) => override<Engine>(engine, { orderedStore: (name) => changed(engine.orderedStore(name)) });
}
