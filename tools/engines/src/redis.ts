import path from 'node:path';
import type { OpenEngine } from './adapter.ts';
import { commonOptions } from './common-options.ts';
import type { EngineDefinition } from './definition.ts';
import { makePlace } from './place.ts';
import { faultyConnection } from './redis-connection.ts';
import { serverOf, startServer } from './redis-server.ts';
import type { EngineOptions } from './options.ts';
import type { EnginePlace, EngineServer, PlaceOptions } from './source.ts';

/** Names a server that is there already. */
const addressOptions = ['url', 'host', 'port', 'socket'] as const;

/**
 * The watermark is a file of the place itself and not of the server below it: it has to notice when the
 * server comes back without what it acknowledged.
 */
async function prepare({ directory, env }: PlaceOptions, options: EngineOptions): Promise<EnginePlace> {
  const open: OpenEngine = (await import('@balsa/storage-redis')).openRedisEngine;
  const foreign = addressOptions.some((name) => options[name] !== undefined);
  const server: EngineServer | undefined = foreign ? undefined : await startServer(directory);
  const settled: EngineOptions = {
    watermarkPath: path.join(directory, 'watermark'),
    ...options,
    ...(server === undefined ? {} : { url: server.url }),
  };
  return makePlace({
    reference: { engine: 'redis', directory, options: settled },
    notData: /(^|[-.])(lock|owner|sock)|^server\.json$/,
    ...(server === undefined
      ? {}
      : {
          server,
          connection: faultyConnection(server, env, (choices) => open({ ...settled, directory, ...choices })),
        }),
    open: () => open({ ...settled, directory, env }),
  });
}

export const redis: EngineDefinition = {
  name: 'redis',
  description: 'Redis: a server of its own in the directory, unless an address is given',
  needs: 'redis-server or valkey-server 6.2 or later on the PATH, unless an address is given',
  persistent: true,
  optionSpecs: {
    url: { type: 'text', meaning: 'of a server that runs already, for example redis://127.0.0.1:6379' },
    host: { type: 'text', meaning: 'of a server that runs already' },
    port: { type: 'count', meaning: 'of a server that runs already' },
    socket: { type: 'text', meaning: 'Unix socket of a server that runs already' },
    username: { type: 'text', meaning: 'ACL user' },
    password: { type: 'text', meaning: 'of the user' },
    db: { type: 'count', meaning: 'number of the database' },
    tls: { type: 'boolean', meaning: 'connect with TLS' },
    prefix: { type: 'text', meaning: 'of all keys (default balsa); one node owns it' },
    watermarkPath: {
      type: 'text',
      meaning: 'local file that notices lost writes (default: in the directory)',
    },
    ...commonOptions,
    allowFailover: { type: 'boolean', meaning: 'take a server with replicas or a Sentinel' },
    segmentBytes: { type: 'bytes', meaning: 'size of a segment of the log beyond which the next is begun' },
    maxViewBytes: { type: 'bytes', meaning: 'overwritten pairs kept for open views' },
    replyTimeoutMs: { type: 'count', meaning: 'milliseconds after which a silent server is given up' },
    connectTimeoutMs: { type: 'count', meaning: 'milliseconds for the connection and its first checks' },
  },
  isOpen: async (directory) => (await serverOf(directory)) !== undefined,
  prepare,
};
