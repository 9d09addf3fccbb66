/** Opens a store of ours by name, in the children that a conformance run kills. */
import type { Engine } from '@balsa/raft-core';
import { createNodeEnv } from '@balsa/raft-node';
import { openReference, type PlaceReference } from '@balsa/engines';

/** The argument survives JSON. */
export function openNamed(reference: PlaceReference): Promise<Engine> {
  return openReference(reference, createNodeEnv());
}
