/**
 * Names of keys. What is changed together has one hash tag: the engine's own records, each group, each
 * ordered store. Names of groups and stores are hashed, so that none can collide or escape.
 */
import { groupHash } from '@balsa/storage-kit';

export type Part = 'group' | 'store';

/** Field of the registry: the kind and the hash of the name. */
export function partField(part: Part, name: string): string {
  return `${part === 'group' ? 'g' : 's'}${groupHash(name)}`;
}

export const partPattern: RegExp = /^[gs][0-9a-f]{32}$/;

export interface EngineKeys {
  readonly head: string;
  readonly registry: string;
}

export function engineKeys(prefix: string): EngineKeys {
  return { head: `${prefix}:{${prefix}}:head`, registry: `${prefix}:{${prefix}}:registry` };
}

/** Begins all keys of a group or a store, which is named by its field of the registry. */
export function partPrefix(prefix: string, field: string): string {
  return `${prefix}:{${prefix}:${field}}:`;
}

export class GroupKeys {
  readonly head: string;
  readonly #base: string;

  constructor(prefix: string, field: string) {
    this.#base = partPrefix(prefix, field);
    this.head = headKey(prefix, field);
  }

  segment(number: number): string {
    return `${this.#base}log:${String(number)}`;
  }

  chunk(snapshot: string, n: number): string {
    return `${this.#base}snap:${snapshot}:${String(n)}`;
  }
}

export function headKey(prefix: string, field: string): string {
  return `${partPrefix(prefix, field)}head`;
}

/** The two keys of one generation of an ordered store: its keys in order, and the value of each. */
export interface GenerationKeys {
  readonly order: string;
  readonly values: string;
}

export function generationKeys(prefix: string, field: string, generation: number): GenerationKeys {
  const base = `${partPrefix(prefix, field)}${String(generation)}:`;
  return { order: `${base}order`, values: `${base}values` };
}
