/** The starter of `balsa conformance --init`, as it is, or claiming more than it keeps. */
import type { Engine, StorageCapabilities } from '@balsa/raft-core';
import { override } from '@balsa/test-suite/zoo';

/** Survives JSON. */
export interface StarterPlace {
  readonly directory: string;
  readonly claims?: Partial<StorageCapabilities>;
}

interface Starter {
  openMyEngine(options: { readonly directory: string }): Promise<Engine>;
}

export async function openStarter({ directory, claims }: StarterPlace): Promise<Engine> {
  // Plain JavaScript that is copied, not a package: the same path from src and from dist.
  const starter = (await import(new URL('../../../cli/starter/store.js', import.meta.url).href)) as Starter;
  const engine = await starter.openMyEngine({ directory });
  if (claims === undefined) return engine;
  return override(engine, { capabilities: { ...engine.capabilities, ...claims } });
}
