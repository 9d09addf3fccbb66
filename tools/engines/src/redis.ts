import { exportedBy } from './adapter.ts';
import type { EngineDefinition } from './definition.ts';

export const redis: EngineDefinition = {
  name: 'redis',
  description: 'Redis, a server of its own in the directory unless url names one',
  needs: 'redis-server or valkey-server 6.2 or later in the PATH, unless url names a server',
  persistent: true,
  optionSpecs: {
    url: { type: 'text', meaning: 'of a server that runs already, for example redis://127.0.0.1:6379' },
  },
  prepare: async () => {
    exportedBy(await import('@balsa/storage-redis'), 'openRedisEngine', 'redis');
    throw new Error('not reached');
  },
};
