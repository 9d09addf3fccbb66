/**
 * WAITAOF: asks a server that syncs by itself once a second whether a write is on its disk.
 *
 * Some versions say so at once, before anything is synced (redis/redis#13793; Valkey 8.0.1 among them, where the loss
 * has been seen). So a server is believed only after it has been seen to wait.
 */
import { BalsaError } from '@balsa/raft-core';
import type { Connection, Reply } from './connection.ts';

/** Two further writes wait for two further syncs, and these are a second apart: less than this is too early, in milliseconds. */
const fewestMs = 1500;
const furtherWrites = 2;
/** For one sync, in milliseconds. */
const patienceMs = '5000';

/** `WAITAOF` gives up without an error: only its reply says whether the write is on the local disk. */
export function isOnLocalDisk(reply: Reply): boolean {
  return Array.isArray(reply) && Number((reply as readonly Reply[])[0]) >= 1;
}

/** `STORE_UNSAFE_SETTING` when WAITAOF answers before the disk has the write, or not at all. Takes two to three seconds. */
export async function checkWaitAof(
  connection: Pick<Connection, 'call'>,
  key: string,
  now: () => number,
): Promise<void> {
  const write = async (n: number): Promise<void> => {
    await connection.call('set', [key, String(n)]);
    if (isOnLocalDisk(await connection.call('waitaof', ['1', '0', patienceMs]))) return;
    throw unsafe(`it did not sync within ${patienceMs} ms`);
  };
  await write(0);
  const began = now();
  for (let n = 1; n <= furtherWrites; n++) await write(n);
  const took = now() - began;
  await connection.call('unlink', [key]);
  if (took >= fewestMs) return;
  throw unsafe(
    `it answered for ${String(furtherWrites)} writes within ${took.toFixed(0)} ms, though everysec syncs once a second`,
  );
}

function unsafe(what: string): BalsaError {
  return new BalsaError(
    'STORE_UNSAFE_SETTING',
    `appendfsync is everysec, and WAITAOF of this server cannot be relied on: ${what}; ` +
      'set it to always (CONFIG SET appendfsync always, and in redis.conf)',
    { details: { setting: 'appendfsync', value: 'everysec' } },
  );
}
