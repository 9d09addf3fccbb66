/** A memory store with one bug: it is off by one at the byte limit. */
import { createMemoryDisk, openMemoryEngine } from '@balsa/raft-core/memory';

export const target = {
  name: 'broken',
  create: async () => {
    const disk = createMemoryDisk();
    return {
      open: async () => {
        const engine = openMemoryEngine({ disk });
        const open = engine.group.bind(engine);
        engine.group = (id) => {
          const group = open(id);
          const entries = Object.getPrototypeOf(group).entries;
          group.entries = (low, high, maxBytes) => entries.call(group, low, high, Math.max(0, maxBytes - 1));
          return group;
        };
        return engine;
      },
      destroy: async () => undefined,
    };
  },
};
