/** The store under test, here the memory engine. A store of your own replaces `open` and `destroy`. */
import { createMemoryDisk, openMemoryEngine } from '@balsa/raft-core/memory';

/** @type {import('@balsa/test-suite').Target} */
export const target = {
  name: 'my store',
  create: async () => {
    const disk = createMemoryDisk();
    return {
      open: async () => openMemoryEngine({ disk }),
      destroy: async () => undefined,
    };
  },
};
