/** What networks do to a write, and what the store makes of it. */
import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { HeldTimers, type FaultKind } from '@balsa/storage-redis/testing';
import { Connection } from '../src/connection.ts';
import { writeScript } from '../src/scripts.ts';
import {
  codeOf,
  entries,
  env,
  openEngine,
  openGroup,
  rawClient,
  startProxy,
  startServer,
} from './support/index.ts';

const write = writeScript.sha;

async function open() {
  const place = await startServer();
  const proxy = await startProxy(place.server);
  const engine = await openEngine(place, { url: proxy.url });
  const storage = await openGroup(engine);
  await storage.write({ entries: entries(1, 3), hardState: { term: 1, vote: 1, commit: 1 } });
  return { place, proxy, engine, storage };
}

test('an opening that is cut off is told as such, and the next one finds the store as it was', async () => {
  const { place, proxy, engine } = await open();
  await engine.close();
  void proxy.arm({ kind: 'cut-before', match: write });
  expect(await codeOf(openEngine(place, { url: proxy.url }))).toBe('STORE_IO');
  const again = await openEngine(place);
  expect((await again.group('g').open()).lastIndex).toBe(3);
});

describe('a write that is cut off', () => {
  const cuts: [FaultKind, readonly number[]][] = [
    ['cut-before', [3]],
    ['cut-during', [3]],
    ['cut-after', [5]],
  ];
  test.each(cuts)(
    '%s: is of unknown outcome, and reopening finds all of it or nothing',
    async (kind, lasts) => {
      const { place, proxy, engine, storage } = await open();
      const fired = proxy.arm({ kind, match: write });
      expect(await codeOf(storage.write({ entries: entries(4, 2) }))).toBe('STORE_UNKNOWN_OUTCOME');
      await fired;
      expect(await codeOf(storage.write({ entries: entries(4, 2) }))).toBe('STORE_POISONED');
      expect(await codeOf(storage.entries(1, 2, 100))).toBe('STORE_POISONED');
      expect(() => engine.group('other')).toThrow(/unknown outcome/);
      await engine.close();
      const again = await openEngine(place);
      const { lastIndex } = await again.group('g').open();
      expect(lasts).toContain(lastIndex);
    },
  );

  test('without a reply: is given up after replyTimeoutMs, and of unknown outcome', async () => {
    const place = await startServer();
    const proxy = await startProxy(place.server);
    const replyTimeoutMs = 12_345;
    const timers = new HeldTimers(env, replyTimeoutMs);
    const engine = await openEngine(place, { url: proxy.url, replyTimeoutMs, env: timers.env });
    const storage = await openGroup(engine);
    await storage.write({ entries: entries(1, 1) });
    const swallowed = proxy.arm({ kind: 'swallow-reply', match: write });
    const outcome = codeOf(storage.write({ entries: entries(2, 1) }));
    await swallowed;
    timers.hurry();
    expect(await outcome).toBe('STORE_UNKNOWN_OUTCOME');
    await engine.close();
    const again = await openEngine(place);
    expect((await again.group('g').open()).lastIndex).toBe(2);
  });

  test('and arrives late: finds the successor and does nothing, now or ever', async () => {
    const { place, proxy, engine, storage } = await open();
    const held = proxy.arm({ kind: 'delay', match: write });
    const late = codeOf(storage.write({ entries: entries(4, 2, 1, 'late') }));
    await held;
    const successor = await openEngine(place);
    const group = await openGroup(successor);
    await group.write({ entries: entries(4, 1, 2, 'new'), hardState: { term: 2, vote: 2, commit: 1 } });
    await proxy.release();
    expect(await late).toBe('STORE_FENCED');
    await group.write({ entries: entries(5, 1, 2, 'new') });
    const found = await group.entries(4, 6, 1e6);
    expect(found.map(({ data }) => new TextDecoder().decode(data))).toEqual(['new', 'new']);
    await engine.close();
    await successor.close();
    const { lastIndex, hardState } = await (await openEngine(place)).group('g').open();
    expect({ lastIndex, hardState }).toEqual({
      lastIndex: 5,
      hardState: { term: 2, vote: 2, commit: 1 },
    });
  });

  test('and arrives late, after its client has died: does nothing either', async () => {
    const { place, proxy, engine, storage } = await open();
    const held = proxy.arm({ kind: 'delay', match: write });
    const late = codeOf(storage.write({ entries: entries(4, 2, 1, 'late') }));
    await held;
    proxy.cutClients();
    expect(await late).toBe('STORE_UNKNOWN_OUTCOME');
    await engine.close();
    const successor = await openEngine(place);
    const group = await openGroup(successor);
    await proxy.release();
    await group.write({ entries: entries(4, 1, 2, 'new') });
    expect((await group.entries(4, 5, 100)).map(({ term }) => term)).toEqual([2]);
    expect(await codeOf(group.entries(5, 6, 100))).toBe('STORE_UNAVAILABLE');
  });

  test('by half a close: has its reply, and the next one a connection of its own', async () => {
    const { proxy, storage } = await open();
    void proxy.arm({ kind: 'half-close', match: write });
    const outcome = await codeOf(storage.write({ entries: entries(4, 1) }));
    expect(['none', 'STORE_UNKNOWN_OUTCOME']).toContain(outcome);
  });
});

/** Comes back once the server has answered all that it was sent before. */
function untilServed(port: number): void {
  const ask = `require('net').connect(${String(port)}).once('data', () => process.exit()).write('PING\\r\\n')`;
  expect(spawnSync(process.execPath, ['-e', ask]).status).toBe(0);
}

test('a reply that came while this process stood still is read, not given up', async () => {
  const { server } = await startServer();
  const replyTimeoutMs = 12_345;
  const timers = new HeldTimers(env, replyTimeoutMs);
  const connection = new Connection({
    address: { host: server.host, port: server.port },
    env: timers.env,
    replyTimeoutMs,
    connectTimeoutMs: 30_000,
    name: 'busy',
    scripts: [],
    verify: () => Promise.resolve(),
  });
  await connection.ready();
  for (let i = 0; i < 2; i++) {
    const reply = connection.call('echo', ['here']);
    // Due before anything is read, as all timers are after a long stop.
    timers.env.setTimer(1, () => timers.fire());
    untilServed(server.port);
    expect(String(await reply)).toBe('here');
  }
  connection.close();
});

describe('a connection that is lost while nothing is written', () => {
  test('is made anew, and work goes on', async () => {
    const { proxy, storage } = await open();
    proxy.cutAll();
    await expect.poll(() => codeOf(storage.entries(1, 2, 100)), { interval: 5 }).toBe('none');
    await storage.write({ entries: entries(4, 1) });
    expect((await storage.entries(1, 5, 1e6)).length).toBe(4);
  });

  test('and cannot be made: refuses without effect, until it can', async () => {
    const { proxy, storage } = await open();
    proxy.refuse(true);
    proxy.cutAll();
    expect(await codeOf(storage.entries(1, 2, 100))).toBe('STORE_IO');
    expect(await codeOf(storage.write({ entries: entries(4, 1) }))).toBe('STORE_IO');
    proxy.refuse(false);
    await storage.write({ entries: entries(4, 1) });
    expect((await storage.entries(1, 5, 1e6)).length).toBe(4);
  });

  test('is checked anew: a setting that became unsafe meanwhile is refused', async () => {
    const { place, proxy, storage } = await open();
    const client = await rawClient(place.server);
    await client.call('config', 'set', 'appendfsync', 'no');
    proxy.cutAll();
    await expect.poll(() => codeOf(storage.entries(1, 2, 100)), { interval: 5 }).toBe('STORE_UNSAFE_SETTING');
    expect(await codeOf(storage.write({ entries: entries(4, 1) }))).toBe('STORE_UNSAFE_SETTING');
    await client.call('config', 'set', 'appendfsync', 'always');
    await storage.write({ entries: entries(4, 1) });
  });
});
