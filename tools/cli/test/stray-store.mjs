/** A correct store beside which promises reject and timers throw, while it is imported and at each write. */
import { memoryTarget } from './memory-target.mjs';

void Promise.reject(new Error('telemetry at the import'));

// The store itself keeps every rule: what goes wrong is nobody's call.
export const target = memoryTarget('stray', (storage) => {
  const write = storage.write.bind(storage);
  storage.write = (batch) => {
    void Promise.reject(new Error('telemetry of a write'));
    process.nextTick(() => {
      throw new TypeError('in a tick of its own');
    });
    return write(batch);
  };
  return storage;
});
