import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { isBalsaError } from '@balsa/raft-core';
import { findEngine } from '../src/index.ts';
import { env } from './env.ts';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'balsa-engines-'));
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

test('a place of redis has a server of its own, which can be killed, comes back at the same address and ends with the place', async () => {
  const source = await findEngine('redis');
  const place = await source.prepare({ directory, env });
  const server = place.server!;
  const first = server.pid()!;
  await server.kill();
  expect(server.pid()).toBeUndefined();
  await server.restart();
  expect(server.pid()).not.toBe(first);
  expect(place.reference.options).toMatchObject({
    url: server.url,
    watermarkPath: path.join(directory, 'watermark'),
  });
  const last = server.pid()!;
  await place.close();
  expect(() => process.kill(last, 0)).toThrow('ESRCH');
});

test('a server that still runs on the directory is waited for: two would destroy the data', async () => {
  const source = await findEngine('redis');
  const before = await source.prepare({ directory, env });
  let alone = false;
  const next = source.prepare({ directory, env }).then((place) => {
    expect(alone).toBe(true);
    return place;
  });
  // Whoever did not ask would have started by the time that this one took.
  await (await source.prepare({ directory: path.join(directory, 'elsewhere'), env })).close();
  alone = true;
  await before.close();
  await (await next).close();
});

test('the connection of a place of redis meets one fault, and none when it is healed', async () => {
  const place = await (await findEngine('redis')).prepare({ directory, env });
  const connection = place.connection!;
  const write = async (): Promise<string> => {
    await using engine = await connection.open();
    const group = engine.group('g');
    const { hardState } = await group.open();
    const next = { term: hardState.term + 1, vote: 1, commit: 0 };
    return await group.write({ hardState: next }).then(
      () => `acknowledged ${String(next.term)}`,
      (error: unknown) => (isBalsaError(error) ? error.code : String(error)),
    );
  };
  expect(await write()).toBe('acknowledged 1');
  {
    await using engine = await connection.open();
    const group = engine.group('g');
    await group.open();
    const struck = connection.arm('cut-after');
    const hardState = { term: 2, vote: 1, commit: 0 };
    await expect(group.write({ hardState })).rejects.toMatchObject({ code: 'STORE_UNKNOWN_OUTCOME' });
    await struck;
  }
  expect(await write()).toBe('acknowledged 3');
  void connection.arm('cut-before');
  await connection.heal();
  expect(await write()).toBe('acknowledged 4');
  await place.close();
});

test('no server is started where an address is given', async () => {
  const place = await (await findEngine('redis', { url: 'redis://127.0.0.1:1' })).prepare({ directory, env });
  expect(place.server).toBeUndefined();
  expect(place.connection).toBeUndefined();
});
