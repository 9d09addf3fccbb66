import { Entry, EntryType, LogLevel, silentLogger, type Engine, type Env } from '@balsa/raft-core';
import { openWorkerEngine, type WorkerEngineOptions } from '@balsa/storage-kit/worker';
import { afterEach, describe, expect, test } from 'vitest';

const fixture = new URL('../support/worker-fixture.mjs', import.meta.url);
const env: Env = {
  now: () => 0,
  setTimer: () => ({ cancel: () => undefined }),
  random: () => 0,
  log: silentLogger,
};
const engines: Engine[] = [];

afterEach(async () => {
  for (const engine of engines.splice(0)) await engine.close().catch(() => undefined);
});

async function open(name: string, more: Partial<WorkerEngineOptions> = {}): Promise<Engine> {
  const engine = await openWorkerEngine({ module: fixture, open: name, options: {}, env, ...more });
  engines.push(engine);
  return engine;
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const entry = (
  index: number,
  data: Uint8Array = bytes(`data ${String(index)}`),
  context?: Uint8Array,
): Entry => new Entry(1, index, EntryType.Normal, data, context);

describe('an engine in a worker', () => {
  test('gives back entries as they were written, payloads of a pooled buffer included', async () => {
    const engine = await open('openMemory');
    const storage = engine.group('g');
    await storage.open();
    const pooled = Buffer.from('of the pool');
    const written = [entry(1), entry(2, pooled, bytes('context')), entry(3, new Uint8Array(0))];
    await storage.write({ entries: written, hardState: { term: 1, vote: 2, commit: 2 } });
    expect(pooled.toString()).toBe('of the pool');
    expect(await storage.entries(1, 4, 1e9)).toEqual(
      written.map(
        ({ term, index, type, data, context }) => new Entry(term, index, type, new Uint8Array(data), context),
      ),
    );
    expect(await storage.entries(1, 2, 1e9)).toEqual([written[0]]);
  });

  test('gives a long list whole, though it comes in parts', async () => {
    const engine = await open('openMemory');
    const storage = engine.group('g');
    await storage.open();
    const large = new Uint8Array(300_000).fill(7);
    await storage.write({ entries: Array.from({ length: 9 }, (_, i) => entry(i + 1, large)) });
    await storage.write({ entries: Array.from({ length: 9000 }, (_, i) => entry(i + 10)) });
    const found = await storage.entries(1, 9010, 1e9);
    expect(found.map(({ index }) => index)).toEqual(Array.from({ length: 9009 }, (_, i) => i + 1));
    expect(found[8]?.data).toEqual(large);
    expect(found[9008]?.data).toEqual(bytes('data 9009'));
  });

  test('gives ordered data, absent values and views as they are', async () => {
    const engine = await open('openMemory');
    const store = engine.orderedStore('kv');
    await store.open();
    await store.write({
      changes: Array.from(
        { length: 5000 },
        (_, i) => [bytes(`key ${String(i).padStart(4, '0')}`), bytes(String(i))] as const,
      ),
      appliedIndex: 3,
    });
    const view = await store.view();
    await store.write({ changes: [[bytes('key 0001'), undefined]], appliedIndex: 4 });
    expect(await store.getMany([bytes('key 0000'), bytes('key 0001'), bytes('none')])).toEqual([
      bytes('0'),
      undefined,
      undefined,
    ]);
    expect(await store.count()).toBe(4999);
    expect([view.appliedIndex, view.count]).toEqual([3, 5000]);
    expect(await view.range({ limit: 1e6 })).toHaveLength(5000);
    expect(await store.range({ gt: bytes('key 0000'), lt: bytes('key 0003'), limit: 9 })).toEqual([
      { key: bytes('key 0002'), value: bytes('2') },
    ]);
    await view.release();
    await view.release();
    await expect(view.range({ limit: 1 })).rejects.toMatchObject({ code: 'STORE_CLOSED' });
    const restore = await store.beginRestore();
    await restore.put([{ key: bytes('x'), value: bytes('') }]);
    await restore.commit(2);
    expect(await store.range({ limit: 9 })).toEqual([{ key: bytes('x'), value: bytes('') }]);
  });

  test('writes and reads snapshots, and resumes one', async () => {
    const engine = await open('openMemory');
    const storage = engine.group('g');
    await storage.open();
    const confState = { voters: [1], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
    const metadata = { index: 5, term: 2, confState };
    const writer = await storage.receiveSnapshot(metadata);
    await writer.write(bytes('one'));
    const again = await storage.receiveSnapshot(metadata, writer.id);
    expect(again.chunkCount).toBe(1);
    await again.write(bytes('two'));
    const stored = await again.commit();
    expect(stored).toMatchObject({ metadata, chunkCount: 2, bytes: 6, origin: 'received' });
    const reader = await storage.openSnapshot(stored.id);
    expect(reader.snapshot).toEqual(stored);
    expect(await reader.chunk(1)).toEqual(bytes('two'));
    await reader.close();
    await expect(again.write(new Uint8Array(2 ** 20 + 1))).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
  });

  test('names a group by one object until it is closed', async () => {
    const engine = await open('openMemory');
    const first = engine.group('g');
    expect(engine.group('g')).toBe(first);
    await first.open();
    await first.close();
    await first.close();
    const second = engine.group('g');
    expect(second).not.toBe(first);
    await second.open();
    await expect(first.stats()).rejects.toMatchObject({ code: 'STORE_CLOSED' });
    expect(() => engine.group('')).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });

  test('keeps ids apart that only differ in half a surrogate pair', async () => {
    const engine = await open('openMemory');
    for (const id of ['\ud800', '\ud801', '\ufffd']) {
      const storage = engine.group(id);
      await storage.open();
      await storage.write({ entries: [entry(1, bytes(encodeURI(id.length.toString())))] });
    }
    expect(await engine.listGroups()).toEqual(['\ud800', '\ud801', '\ufffd']);
  });
});

describe('refusals in a worker are those of the engine', () => {
  test('a call before open, a second write, a gap, an argument of the wrong kind', async () => {
    const engine = await open('openMemory', { options: { maxEntryBytes: 1000 } });
    expect(engine.capabilities.maxEntryBytes).toBe(1000);
    const storage = engine.group('g');
    await expect(storage.write({})).rejects.toMatchObject({ code: 'STORE_NOT_OPEN' });
    await storage.open();
    await expect(storage.open()).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    const outcomes = await Promise.allSettled([
      storage.write({ entries: [entry(1)] }),
      storage.write({ entries: [entry(2)] }),
    ]);
    expect(outcomes).toMatchObject([{ status: 'fulfilled' }, { reason: { code: 'STORE_WRITE_IN_FLIGHT' } }]);
    await expect(storage.write({ entries: [entry(7)] })).rejects.toMatchObject({ code: 'STORE_GAP' });
    await expect(storage.write({ entries: [entry(1.5)] })).rejects.toMatchObject({ code: 'OUT_OF_RANGE' });
    const strange = { term: 1, vote: 1, commit: (() => 1) as unknown as number };
    const beside = storage.stats();
    await expect(storage.write({ hardState: strange })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect((await beside).entryCount).toBe(1);
    await storage.write({ entries: [entry(2)] });
  });

  test('an error crosses over with its code, details and causes', async () => {
    const engine = await open('openTricky');
    const error: unknown = await engine.destroyGroup('fail with causes').catch((e: unknown) => e);
    expect(error).toMatchObject({
      name: 'BalsaError',
      code: 'STORE_UNKNOWN_OUTCOME',
      outcome: 'unknown',
      message: 'a commit failed',
      details: { index: 5, error: { code: 'STORE_CORRUPT', message: 'deep' } },
      cause: {
        message: 'two',
        errors: [
          { message: 'disk I/O error', code: 'SQLITE_IOERR', errno: 10 },
          { code: 'STORE_IO', details: { path: 'x' } },
        ],
      },
    });
    await expect(engine.destroyGroup('fail foreign')).rejects.toMatchObject({ name: 'TypeError' });
  });

  test('of an opening keep their code', async () => {
    const lines: string[] = [];
    const log = { enabled: () => true, log: (_: LogLevel, text: string) => void lines.push(text) };
    await expect(open('openRefused', { env: { ...env, log } })).rejects.toMatchObject({
      code: 'STORE_LOCKED',
      details: { path: '/data' },
    });
    expect(lines).toEqual(['about to refuse']);
    await expect(open('openNothing')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(open('openDying')).rejects.toMatchObject({ code: 'STORE_UNKNOWN_OUTCOME' });
    const missing = open('open', { module: new URL('./no-such-module.mjs', import.meta.url) });
    await expect(missing).rejects.toThrow(/no-such-module/);
  });

  test('calls beyond the bound are refused, and taken again when some have settled', async () => {
    const engine = await open('openTricky', { maxCalls: 2 });
    const held = [engine.identity(), engine.identity()];
    await expect(engine.listGroups()).rejects.toMatchObject({ code: 'OVERLOADED' });
    await engine.close();
    await Promise.all(held);
  });
});

describe('a worker that dies', () => {
  test.each(['exit', 'die later'])(
    'by "%s" makes what is in flight unknown and everything later poisoned',
    async (how) => {
      const lines: string[] = [];
      const log = {
        enabled: (level: LogLevel) => level >= LogLevel.Error,
        log: (_: LogLevel, text: string) => void lines.push(text),
      };
      const engine = await open('openTricky', { env: { ...env, log } });
      const storage = engine.group('g');
      await storage.open();
      const store = engine.orderedStore('kv');
      await store.open();
      const view = await store.view();
      const outcomes = await Promise.allSettled([
        engine.identity(),
        engine.destroyGroup(how),
        engine.identity(),
      ]);
      for (const outcome of outcomes)
        expect(outcome).toMatchObject({ reason: { code: 'STORE_UNKNOWN_OUTCOME' } });
      await expect(storage.write({ entries: [entry(1)] })).rejects.toMatchObject({ code: 'STORE_POISONED' });
      await expect(storage.entries(1, 1, 9)).rejects.toMatchObject({ code: 'STORE_POISONED' });
      await expect(view.range({ limit: 1 })).rejects.toMatchObject({ code: 'STORE_POISONED' });
      expect(() => engine.group('other')).toThrow(expect.objectContaining({ code: 'STORE_POISONED' }));
      await view.release();
      await storage.close();
      await engine.close();
      await expect(engine.identity()).rejects.toMatchObject({ code: 'STORE_CLOSED' });
      expect(lines).toHaveLength(1);
    },
  );
});

describe('closing', () => {
  test('waits for what is in flight, is idempotent, and refuses what comes later', async () => {
    const engine = await open('openTricky');
    const storage = engine.group('g');
    await storage.open();
    const order: string[] = [];
    const write = storage.write({ entries: [entry(1)] }).then(() => order.push('write'));
    const held = engine.identity().then(() => order.push('identity'));
    const closed = engine.close().then(() => order.push('close'));
    await expect(engine.listGroups()).rejects.toMatchObject({ code: 'STORE_CLOSED' });
    await expect(storage.stats()).rejects.toMatchObject({ code: 'STORE_CLOSED' });
    await Promise.all([write, held, closed, engine.close()]);
    expect(order.at(-1)).toBe('close');
    expect(() => engine.group('g')).toThrow(expect.objectContaining({ code: 'STORE_CLOSED' }));
  });
});

describe('the world of a worker', () => {
  test('has its own clock and chance, and logs to the caller at the levels that it wants', async () => {
    const lines: unknown[] = [];
    const log = {
      enabled: (level: LogLevel) => level >= LogLevel.Info,
      log: (level: LogLevel, text: string, fields: unknown) => void lines.push([level, text, fields]),
    };
    const engine = await open('openTricky', { env: { ...env, log } });
    expect(await engine.listGroups()).toEqual(['true', 'true']);
    expect(lines).toMatchObject([[LogLevel.Info, 'opened', { error: { code: 'STORE_IO' } }]]);
    const deaf = { enabled: (level: LogLevel) => level > LogLevel.Info, log: () => expect.unreachable() };
    await open('openTricky', { env: { ...env, log: deaf } });
  });
});
