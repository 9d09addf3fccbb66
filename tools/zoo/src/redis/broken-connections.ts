/** What clients of Redis make of a write that the network cuts off. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { FaultProxy, RedisServer } from '@balsa/storage-redis/testing';
import type { Harness, Target } from '@balsa/test-suite';
import type { Animal } from '@balsa/test-suite/zoo';
import { openNaiveEngine, type ScriptChoices } from './naive-engine.ts';
import { writeMark } from './one-script.ts';

/** A server for each place, and a proxy before it. */
function cutTarget(name: string, script: ScriptChoices): Target {
  const create = async (): Promise<Harness> => {
    const directory = await mkdtemp(path.join(tmpdir(), 'balsa-zoo-redis-'));
    const server = await RedisServer.start({ directory: path.join(directory, 'server') });
    const proxy = await FaultProxy.start(server);
    const open = (url: string): ReturnType<typeof openNaiveEngine> =>
      openNaiveEngine({ url, directory, layout: 'list', script });
    return {
      open: () => open(server.url),
      connection: {
        open: () => open(proxy.url),
        arm: (kind) => proxy.arm({ kind, match: writeMark }),
        cut: () => {
          proxy.cutClients();
        },
        heal: () => proxy.heal(),
      },
      destroy: async () => {
        await proxy.close();
        await server.stop();
        await rm(directory, { recursive: true, force: true });
      },
    };
  };
  return { name, abilities: ['connection'], orderedStore: false, create };
}

function cut(bug: string, script: ScriptChoices, killer: string, cite: string): Animal {
  return { bug, cite, killer, target: cutTarget(`redis, ${bug}`, script) };
}

/** A list that is written by one script with its owner in it, and says what it does not know. */
export const scriptControl: Target = cutTarget('a list in redis, written by a script', {});

/** As ioredis does it when it is not told otherwise. What it sends again is waited for, however slow the machine is. */
const resending = {
  autoResendUnfulfilledCommands: true,
  retryStrategy: () => 1,
  commandTimeout: 60_000,
};

/** Time-outs of the client that end long before it is connected again, in milliseconds. */
const impatient = { ...resending, commandTimeout: 500, retryStrategy: () => 1_500 };

export const brokenConnections: readonly Animal[] = [
  cut(
    'sends a command again that was cut off, and so does it twice',
    { client: resending },
    'faults/connection-cut-after',
    'ioredis: autoResendUnfulfilledCommands is on by default; RPUSH is not idempotent',
  ),
  cut(
    'sends a command again that was cut off, and takes the answer to the second for that to the first',
    { client: resending, numbered: true },
    'faults/connection-cut-after',
    'ioredis 6.0.0: the reply is lost, XADD is sent again and rejected as a duplicate, although it is stored',
  ),
  cut(
    'gives a command up, tells it as refused, and sends it later all the same',
    { client: impatient, tells: 'as refused' },
    'faults/connection-cut-before',
    'redis/ioredis#2130: a command that was rejected with "Command timed out" was executed after the reconnection',
  ),
  cut(
    'tells a write without a reply as refused',
    { tells: 'as refused' },
    'faults/reply-swallowed',
    'a time-out of the client is taken for a failure: what was written is there when it is opened again',
  ),
  cut(
    'goes on after a write of unknown outcome as if nothing had been',
    { tells: 'and goes on' },
    'faults/connection-cut-during',
    'PostgreSQL and the fsync errors of Linux, 2018, for a connection: what is in memory is believed',
  ),
  cut(
    'asks for the owner in a command of its own, and writes in the next',
    { asksBefore: true },
    'faults/late-write-after-cut',
    'locks without fencing tokens: the check is over when the delayed write arrives',
  ),
];
