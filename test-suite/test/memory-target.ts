import type { Engine } from '@balsa/raft-core';
import { createMemoryDisk, openMemoryEngine } from '@balsa/raft-core/memory';
import type { Target } from '@balsa/test-suite';

/** The memory engine on a memory disk, each engine passed through `change`. */
export function memoryTarget(
  name = 'memory',
  change: (engine: Engine) => Engine = (engine) => engine,
): Target {
  return {
    name,
    create: () => {
      const disk = createMemoryDisk();
      return Promise.resolve({
        open: async () => change(openMemoryEngine({ disk })),
        destroy: () => Promise.resolve(),
      });
    },
  };
}
