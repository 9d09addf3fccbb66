/** One opening of a store, in whatever process, and what came of it. Survives JSON. */
import type { Engine } from '@balsa/raft-core';
import { codeOf, observe, type Sight } from './observe.ts';
import type { Plan } from './plan.ts';

export type Look =
  | { readonly sight: Sight }
  | {
      /** Whether opening the engine failed, or reading what it opened. */
      readonly failed: 'open' | 'read';
      readonly code: string;
      readonly message: string;
    };

function failure(failed: 'open' | 'read', error: unknown): Look {
  return { failed, code: codeOf(error), message: error instanceof Error ? error.message : String(error) };
}

/** Opens, reads everything, closes. */
export async function lookOnce(open: () => Promise<Engine>, plan: Plan): Promise<Look> {
  let engine: Engine;
  try {
    engine = await open();
  } catch (error) {
    return failure('open', error);
  }
  try {
    return { sight: await observe(engine, plan) };
  } catch (error) {
    return failure('read', error);
  } finally {
    await engine.close();
  }
}
