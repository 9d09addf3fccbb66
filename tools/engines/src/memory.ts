import { createMemoryDisk, openMemoryEngine } from '@balsa/raft-core/memory';
import type { EngineDefinition } from './definition.ts';
import { makePlace } from './place.ts';

export const memory: EngineDefinition = {
  name: 'memory',
  description: 'the reference model, in memory: nothing outlives the process',
  persistent: false,
  optionSpecs: {},
  isOpen: () => Promise.resolve(false),
  prepare: async ({ directory }, options) => {
    const disk = createMemoryDisk();
    return makePlace({
      reference: { engine: 'memory', directory, options },
      notData: /^/,
      open: async () => openMemoryEngine({ disk }),
    });
  },
};
