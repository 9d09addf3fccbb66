/** A correct store beside which promises reject and timers throw, while it is imported and at each write. */
import { createMemoryDisk, openMemoryEngine } from '@balsa/raft-core/memory';

void Promise.reject(new Error('telemetry at the import'));

export const target = {
  name: 'stray',
  create: async () => {
    const disk = createMemoryDisk();
    return {
      open: async () => {
        const engine = openMemoryEngine({ disk });
        const group = engine.group.bind(engine);
        engine.group = (id) => {
          const storage = group(id);
          const write = storage.write.bind(storage);
          storage.write = (batch) => {
            void Promise.reject(new Error('telemetry of a write'));
            process.nextTick(() => {
              throw new TypeError('in a tick of its own');
            });
            return write(batch);
          };
          return storage;
        };
        return engine;
      },
      destroy: async () => undefined,
    };
  },
};
