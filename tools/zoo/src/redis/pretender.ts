/** storage-redis on a server that is not what it should be, saying that all is well. */
import type { Engine } from '@balsa/raft-core';
import { createNodeEnv } from '@balsa/raft-node';
import { openRedisEngine } from '@balsa/storage-redis';

export interface PretenderOptions {
  readonly url: string;
  /** Undefined: nobody remembers how far acknowledged writes went. */
  readonly watermarkPath?: string;
}

/** Opened without a look at the server's settings, and said to be strict. Called in a child of the suite, too. */
export async function openPretender(options: PretenderOptions): Promise<Engine> {
  const engine = await openRedisEngine({ ...options, env: createNodeEnv(), durability: 'relaxed' });
  const capabilities = { ...engine.capabilities, durability: 'strict' as const, watermarkLag: 1024 };
  return new Proxy(engine, {
    get: (target, name): unknown => {
      if (name === 'capabilities') return capabilities;
      const found: unknown = Reflect.get(target, name, target);
      return typeof found === 'function' ? found.bind(target) : found;
    },
  });
}
