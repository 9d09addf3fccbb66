/** A store that never gives the thread back. */
import { createMemoryDisk, openMemoryEngine } from '@balsa/raft-core/memory';

export const target = {
  name: 'looping',
  create: async () => {
    const disk = createMemoryDisk();
    return {
      open: async () => {
        const engine = openMemoryEngine({ disk });
        const group = engine.group.bind(engine);
        engine.group = (id) =>
          Object.assign(group(id), {
            write: () => {
              for (;;);
            },
          });
        return engine;
      },
      destroy: async () => undefined,
    };
  },
};
