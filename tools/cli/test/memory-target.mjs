/** Stores for the command to run: memory, but for what is done to each group. */
import { createMemoryDisk, openMemoryEngine } from '@balsa/raft-core/memory';

export const memoryTarget = (name, change) => ({
  name,
  create: async () => {
    const disk = createMemoryDisk();
    return {
      open: async () => {
        const engine = openMemoryEngine({ disk });
        const group = engine.group.bind(engine);
        engine.group = (id) => change(group(id));
        return engine;
      },
      destroy: async () => undefined,
    };
  },
});
