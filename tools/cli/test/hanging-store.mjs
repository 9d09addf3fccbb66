/** A store whose writes never settle. Its places are directories in the one that the environment names. */
import { mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import { createMemoryDisk, openMemoryEngine } from '@balsa/raft-core/memory';

export const target = {
  name: 'hanging',
  create: async () => {
    const place = await mkdtemp(path.join(process.env.BALSA_TEST_PLACES, 'place-'));
    const disk = createMemoryDisk();
    return {
      open: async () => {
        const engine = openMemoryEngine({ disk });
        const group = engine.group.bind(engine);
        engine.group = (id) => Object.assign(group(id), { write: () => new Promise(() => undefined) });
        return engine;
      },
      destroy: () => rm(place, { recursive: true }),
    };
  },
};
