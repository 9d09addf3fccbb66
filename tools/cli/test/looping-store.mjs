/** A store that never gives the thread back. */
import { memoryTarget } from './memory-target.mjs';

export const target = memoryTarget('looping', (storage) =>
  Object.assign(storage, {
    write: () => {
      for (;;);
    },
  }),
);
