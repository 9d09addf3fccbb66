/** Logs in Redis as they are first written, and a server that does not do what it says. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { findRedisServer, RedisServer, type RedisServerOptions } from '@balsa/storage-redis/testing';
import type { Harness, Target } from '@balsa/test-suite';
import type { Animal, ZooFamily } from '@balsa/test-suite/zoo';
import { builtBeside, filesBelow } from '../place.ts';
import { brokenConnections } from './broken-connections.ts';
import { openNaiveEngine, type NaiveEngineOptions } from './naive-engine.ts';
import { openPretender, type PretenderOptions } from './pretender.ts';

type Naive = Omit<NaiveEngineOptions, 'url' | 'directory'>;

/** A server for each place, with the snapshots beside its data. */
function naiveTarget(name: string, naive: Naive): Target {
  return {
    name,
    orderedStore: false,
    create: async (): Promise<Harness> => {
      const directory = await mkdtemp(path.join(tmpdir(), 'balsa-zoo-redis-'));
      const server = await RedisServer.start({ directory: path.join(directory, 'server') });
      return {
        open: () => openNaiveEngine({ url: server.url, directory, ...naive }),
        destroy: async () => {
          await server.stop();
          await rm(directory, { recursive: true, force: true });
        },
      };
    },
  };
}

function naive(bug: string, options: Naive, killer: string, cite: string): Animal {
  return { bug, cite, killer, target: naiveTarget(`redis, ${bug}`, options) };
}

interface ServerOptions {
  readonly config?: RedisServerOptions['config'];
  readonly watermark: boolean;
}

/** storage-redis on a server of its own. `config` is of the server; without `watermark` there is none. */
function serverTarget(name: string, options: ServerOptions): Target {
  const create = async (): Promise<Harness> => {
    const place = await mkdtemp(path.join(tmpdir(), 'balsa-zoo-redis-'));
    const directory = path.join(place, 'data');
    const { config } = options;
    // The server's files and the watermark beside each other: the suite empties the directory, and makes it anew.
    const server = await RedisServer.start({
      directory,
      ...(config !== undefined && { config }),
    });
    const argument: PretenderOptions = {
      url: server.url,
      ...(options.watermark && { watermarkPath: path.join(directory, 'watermark') }),
    };
    return {
      directory,
      files: () => filesBelow(directory),
      open: () => openPretender(argument),
      child: { module: builtBeside(import.meta.url, 'pretender.js'), export: 'openPretender', argument },
      processes: {
        start: (extraEnv) => server.start(extraEnv),
        pid: () => server.pid,
        stop: () => server.stop(),
        restart: (extraEnv) => server.restart(extraEnv),
      },
      destroy: async () => {
        await server.stop();
        await rm(place, { recursive: true, force: true, maxRetries: 5 });
      },
    };
  };
  return { name, abilities: ['files', 'child', 'processes'], create };
}

function pretender(bug: string, options: ServerOptions, killer: string, cite: string): Animal {
  return { bug, cite, killer, target: serverTarget(`redis, ${bug}`, options) };
}

/**
 * The naive logs done right, each only as far as the broken ones go: they show that it is the bug that kills. They
 * keep no pending restore and no rules of closing, so not every case is theirs.
 */
export const naiveControls: readonly Target[] = [
  naiveTarget('a list in redis', { layout: 'list' }),
  naiveTarget('a stream in redis', { layout: 'stream' }),
  naiveTarget('a sorted set in redis', { layout: 'sorted set' }),
];

const measured = 'measured with Redis 7.0.15 and ioredis 6.0.0';

export const redisFamily: ZooFamily = {
  name: 'redis',
  missing: async () =>
    findRedisServer() === undefined ? 'neither redis-server nor valkey-server is on the PATH' : undefined,
  // storage-redis is judged by `balsa conformance redis`, with the same cases.
  correct: [],
  animals: [
    naive(
      'pushes onto a list without trimming what conflicts',
      { layout: 'list without trimming' },
      'append/overwrites-conflicting-suffix',
      'raft.js and other logs on RPUSH: an append is taken for the end of the list',
    ),
    naive(
      'takes the position in a list for the index, also after a trim',
      { layout: 'list counted from its head' },
      'compaction/to-3',
      'logs on LRANGE: index = base + position, and the base is forgotten',
    ),
    naive(
      'deletes the tail of a stream and does not set its last id back',
      { layout: 'stream without XSETID' },
      'append/overwrites-conflicting-suffix',
      `XADD refuses an id at or below the last one ever used; ${measured}`,
    ),
    naive(
      'trims a stream roughly',
      { layout: 'stream trimmed roughly' },
      'reopen/boundary-term',
      `XTRIM MINID ~ left 99 entries too many; ${measured}`,
    ),
    naive(
      'packs the index and more into a score, which is a double',
      { layout: 'sorted set with packed scores' },
      'append/around-index-9007199254740983',
      `scores above 2^53 fall together; ${measured}`,
    ),
    naive(
      'makes payloads the members of a sorted set',
      { layout: 'sorted set of payloads' },
      'append/truncation-forgets-conf-changes',
      'ZADD of a member that is there moves it: two entries with the same bytes are one',
    ),
    naive(
      'names keys by group ids as they are, and destroys by a pattern',
      { layout: 'list', plainNames: true },
      'groups/destroy-removes-one',
      'KEYS raft:a* matches the keys of raft:ab, and of whatever a glob in the id matches',
    ),
    naive(
      'lets an owner write that was taken over',
      { layout: 'list', unfenced: true },
      'open/one-owner',
      'redis/ioredis#2130: a command that was given up was executed after the reconnection',
    ),
    naive(
      'joins numbers to texts in Lua, which keeps 14 digits',
      { layout: 'list', joinsNumbers: true },
      'append/around-index-9007199254740983',
      `Lua formats numbers with %.14g; ${measured}`,
    ),
    pretender(
      'declares appendfsync everysec durable',
      { config: { appendfsync: 'everysec' }, watermark: true },
      'power/what-was-acknowledged-survives',
      'Redis, persistence: up to a second of acknowledged writes is lost with everysec',
    ),
    pretender(
      'has no watermark outside the server',
      { watermark: false },
      'capabilities/watermark-bounds-the-loss',
      `an append-only file without its last 10 bytes is loaded without a word; ${measured}`,
    ),
    ...brokenConnections,
  ],
};
