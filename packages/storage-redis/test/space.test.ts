/** Space that nothing live takes up: what is told of it, and how it comes back. */
import { statSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { LogLevel, type Env } from '@balsa/raft-core';
import { AppendOnlyFile } from '../src/append-only-file.ts';
import { ServerError, type Reply } from '../src/connection.ts';
import { entries, key, openEngine, openGroup, rawClient, startServer, type Place } from './support/index.ts';

const megabyte = 1024 * 1024;
const large = 'x'.repeat(64 * 1024);

function bytesOnDisk({ server }: Place): number {
  return server.dataFiles().reduce((sum, file) => sum + statSync(file).size, 0);
}

describe('the append-only file of a real server', () => {
  test('is told to be garbage once the log is compacted, and is rewritten by housekeeping', async () => {
    const place = await startServer();
    const storage = await openGroup(await openEngine(place));
    for (let first = 1; first <= 160; first += 16) {
      await storage.write({
        entries: entries(first, 16, 1, large),
        hardState: { term: 1, vote: 1, commit: first + 15 },
      });
    }
    const full = bytesOnDisk(place);
    expect(full).toBeGreaterThan(10 * megabyte);
    await storage.compactTo(155);
    while (await storage.maintain());
    expect(bytesOnDisk(place)).toBeLessThan(full / 3);
    expect((await storage.stats()).garbageBytes).toBeLessThan(4 * megabyte);
    await place.server.kill();
    await place.server.start();
    const state = await (await openEngine(place)).group('g').open();
    expect([state.firstIndex, state.lastIndex]).toEqual([156, 160]);
  });

  test('is rewritten by the housekeeping of an ordered store too', async () => {
    const place = await startServer();
    const store = (await openEngine(place)).orderedStore('kv');
    await store.open();
    const value = key(large);
    for (let i = 1; i <= 160; i++)
      await store.write({ changes: [[key(String(i % 3)), value]], appliedIndex: i });
    const full = bytesOnDisk(place);
    while (await store.maintain());
    expect(bytesOnDisk(place)).toBeLessThan(full / 3);
    expect(await store.count()).toBe(3);
  });
});

describe('a snapshot', () => {
  const metadata = {
    index: 1,
    term: 1,
    confState: { voters: [1], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false },
  };

  /** A server that writes its file anew and does not come to an end. */
  async function rewriting() {
    const place = await startServer();
    const engine = await openEngine(place);
    const storage = await openGroup(engine);
    await storage.write({ entries: entries(1, 1, 1), hardState: { term: 1, vote: 1, commit: 1 } });
    const client = await rawClient(place.server);
    // Microseconds that it sleeps for each key.
    await client.config('SET', 'rdb-key-save-delay', '60000000');
    await client.bgrewriteaof();
    let asked = 0;
    const info = (section: string): Promise<string> => {
      asked++;
      return client.info(section);
    };
    return {
      engine,
      storage,
      client,
      isRewriting: async () => (await info('persistence')).includes('aof_rewrite_in_progress:1'),
      /** How often somebody else asked the server how it is. */
      askedByOthers: async () => {
        const calls = /cmdstat_info:calls=(\d+)/.exec(await info('commandstats'))?.[1];
        return Number(calls) - (asked - 1);
      },
    };
  }

  test('waits while the server writes its file anew', async () => {
    const { storage, client, isRewriting, askedByOthers } = await rewriting();
    const writer = await storage.createSnapshot(metadata);
    const before = await askedByOthers();
    let isWritten = false;
    const written = writer.write(new Uint8Array(1000)).then(() => {
      isWritten = true;
    });
    while ((await askedByOthers()) < before + 5) expect(isWritten).toBe(false);
    expect(isWritten).toBe(false);
    expect(await isRewriting()).toBe(true);
    // Ends it.
    await client.config('SET', 'appendonly', 'no');
    await written;
    await writer.commit();
  });

  test('has the file rewritten before its own bytes would make the server do that', async () => {
    const megabytes = 2;
    const place = await startServer({ config: { 'auto-aof-rewrite-min-size': `${String(megabytes)}mb` } });
    const storage = await openGroup(await openEngine(place));
    await storage.write({ entries: entries(1, 1, 1), hardState: { term: 1, vote: 1, commit: 1 } });
    const writer = await storage.createSnapshot(metadata);
    const chunk = new Uint8Array(megabyte / 4).fill(7);
    for (let i = 0; i < 4 * (megabytes + 1); i++) await writer.write(chunk);
    const stored = await writer.commit();
    const client = await rawClient(place.server);
    expect(await client.info('commandstats')).toMatch(/cmdstat_bgrewriteaof:calls=[1-9]/);
    const reader = await storage.openSnapshot(stored.id);
    let bytes = 0;
    for (let n = 0; n < stored.chunkCount; n++) bytes += (await reader.chunk(n)).length;
    expect(bytes).toBe((megabytes + 1) * megabyte);
    await reader.close();
  });

  test('that waits for that holds no closing up', async () => {
    const { engine, storage, isRewriting } = await rewriting();
    const writer = await storage.createSnapshot(metadata);
    const written = writer.write(new Uint8Array(1000));
    await storage.close();
    await written;
    expect(await isRewriting()).toBe(true);
    await engine.close();
  });
});

/** A server that says what it is told to say, and a clock that stands still until it is waited for. */
function pretend() {
  const state = { size: 0, base: 0, dataset: 0, rewriting: false, status: 'ok', changes: 1 };
  const calls: string[] = [];
  const said: string[] = [];
  let now = 0;
  let refused = '';
  const rule = { percentage: 0, minBytes: 0 };
  let answer: () => void = () => {
    state.rewriting = true;
  };
  const info = (isMemory: boolean): string =>
    isMemory
      ? `# Memory\r\nused_memory_dataset:${String(state.dataset)}\r\n`
      : [
          'aof_enabled:1',
          `aof_rewrite_in_progress:${state.rewriting ? '1' : '0'}`,
          'aof_rewrite_scheduled:0',
          `aof_last_bgrewrite_status:${state.status}`,
          `aof_current_size:${String(state.size)}`,
          `aof_base_size:${String(state.base)}`,
        ].join('\r\n');
  const env: Env = {
    now: () => now,
    setTimer: (ms, callback) => {
      now += ms;
      queueMicrotask(callback);
      return { cancel: () => undefined };
    },
    random: () => 0,
    log: {
      enabled: () => true,
      log: (level, text) => {
        if (level >= LogLevel.Warn) said.push(text);
      },
    },
  };
  const file = new AppendOnlyFile({
    env,
    connection: {
      usable: true,
      call: async (name, args): Promise<Reply> => {
        calls.push(name);
        if (name === 'info' && refused !== name) return Buffer.from(info(args[0] === 'memory'));
        answer();
        return Buffer.from('Background append only file rewriting started');
      },
    },
    rule: () => rule,
    changes: () => state.changes,
  });
  return {
    file,
    state,
    rule,
    said,
    calls,
    asked: () => calls.filter((name) => name === 'bgrewriteaof').length,
    refuse: (message: string, name = 'bgrewriteaof') => {
      refused = name;
      answer = () => {
        throw new ServerError(message);
      };
    },
    later: (ms: number) => (now += ms),
    time: () => now,
  };
}

describe('housekeeping of the file', () => {
  test('leaves it alone while less than half of it, or less than 4 MiB, is garbage', async () => {
    const { file, state, asked } = pretend();
    for (const [size, dataset] of [
      [4 * megabyte, 100],
      [100 * megabyte, 51 * megabyte],
    ] as const) {
      Object.assign(state, { size, dataset, changes: state.changes + 1 });
      expect(await file.maintain()).toBe(false);
      expect(await file.garbageBytes()).toBe(size - dataset);
    }
    expect(asked()).toBe(0);
    Object.assign(state, { size: 102 * megabyte, changes: 9 });
    expect(await file.maintain()).toBe(true);
    expect(asked()).toBe(1);
  });

  test('asks nothing while nothing has changed', async () => {
    const { file, state, calls } = pretend();
    for (let i = 0; i < 3; i++) await file.maintain();
    expect(calls).toEqual(['info', 'info']);
    state.changes++;
    await file.garbageBytes();
    expect(calls.length).toBe(4);
  });

  test('waits in slices, and not for ever', async () => {
    const { file, state, asked, time } = pretend();
    state.size = 10 * megabyte;
    let slices = 0;
    while (await file.maintain()) slices++;
    expect(slices).toBeGreaterThan(100);
    expect(time()).toBeLessThan(60_000);
    Object.assign(state, { size: 1000, base: 1000, rewriting: false });
    // One more slice, for the disk to settle.
    expect(await file.maintain()).toBe(true);
    expect(await file.maintain()).toBe(false);
    expect(asked()).toBe(1);
  });

  test('waits for a rewrite that somebody else began', async () => {
    const { file, state, asked, refuse } = pretend();
    state.size = 10 * megabyte;
    refuse('ERR Background append only file rewriting already in progress');
    expect(await file.maintain()).toBe(true);
    state.rewriting = true;
    expect(await file.maintain()).toBe(true);
    Object.assign(state, { size: 1000, rewriting: false });
    // One more slice, for the disk to settle.
    expect(await file.maintain()).toBe(true);
    expect(await file.maintain()).toBe(false);
    expect(asked()).toBe(1);
  });

  test('tells of a rewrite that failed, and tries again a minute later', async () => {
    const { file, state, asked, said, later } = pretend();
    state.size = 10 * megabyte;
    expect(await file.maintain()).toBe(true);
    Object.assign(state, { rewriting: false, status: 'err' });
    expect(await file.maintain()).toBe(false);
    expect(await file.maintain()).toBe(false);
    expect(said).toEqual([expect.stringMatching(/mostly garbage .* it failed/)]);
    expect(asked()).toBe(1);
    later(60_000);
    expect(await file.maintain()).toBe(true);
    expect(asked()).toBe(2);
  });

  test('tells a user who may not ask for it which right is missing, once', async () => {
    const { file, state, asked, said, later, refuse } = pretend();
    state.size = 10 * megabyte;
    refuse("NOPERM this user has no permissions to run the 'bgrewriteaof' command");
    for (let i = 0; i < 3; i++) {
      expect(await file.maintain()).toBe(false);
      later(120_000);
    }
    expect(said).toEqual([expect.stringMatching(/allow the user \+bgrewriteaof/)]);
    expect(asked()).toBe(1);
  });

  test('lets what is large wait until a rewrite is over, and not for ever', async () => {
    const { file, state, time, later } = pretend();
    await file.untilFree(1, () => true);
    expect(time()).toBe(0);
    state.rewriting = true;
    later(10);
    let endedAt = 0;
    let wanted = 0;
    await file.untilFree(1, () => {
      if (++wanted === 10) {
        state.rewriting = false;
        endedAt = time();
      }
      return true;
    });
    expect(endedAt).toBeGreaterThan(10);
    // The disk still has to do with it.
    const before = time();
    expect(before - endedAt).toBeGreaterThanOrEqual(50);
    expect(before - endedAt).toBeLessThan(200);
    state.rewriting = true;
    later(10);
    await file.untilFree(1, () => true);
    const given = time() - before;
    expect(given).toBeGreaterThan(10_000);
    expect(given).toBeLessThan(60_000);
    // It is still the same rewrite.
    await file.untilFree(1, () => true);
    expect(time() - before).toBe(given);
  });

  test('lets nothing wait that is not wanted any more, or that cannot ask', async () => {
    const { file, state, time, calls, refuse } = pretend();
    state.rewriting = true;
    await file.untilFree(1, () => false);
    expect(calls).toEqual([]);
    refuse('NOPERM', 'info');
    await file.untilFree(1, () => true);
    expect(time()).toBe(0);
  });

  test('lets what is large wait behind a rewrite that began and ended unseen', async () => {
    const { file, state, time, later } = pretend();
    await file.untilFree(1, () => true);
    state.base = 1000;
    later(10);
    const before = time();
    await file.untilFree(1, () => true);
    expect(time() - before).toBe(50);
    await file.untilFree(1, () => true);
    expect(time() - before).toBe(50);
  });

  test('asks how it is every 10 ms, and not before every piece', async () => {
    const { file, calls, later } = pretend();
    for (let i = 0; i < 100; i++) {
      await file.untilFree(64 * 1024, () => true);
      later(1);
    }
    expect(calls).toEqual(Array.from({ length: 10 }, () => 'info'));
  });

  test('asks for the rewrite that the server would begin, before the bytes that make it due', async () => {
    const { file, state, rule, asked, later } = pretend();
    Object.assign(rule, { percentage: 100, minBytes: 64 * megabyte });
    Object.assign(state, { size: 40 * megabyte, base: 40 * megabyte });
    const write = async () => {
      await file.untilFree(megabyte, () => {
        // A look at it is enough for this one to end.
        if (state.rewriting) Object.assign(state, { size: state.base, rewriting: false });
        return true;
      });
      state.size += megabyte;
      later(1);
    };
    while (asked() === 0) await write();
    // Above the 64 MiB, below twice 40.
    expect(state.size).toBeLessThan(80 * megabyte);
    const before = asked();
    for (let i = 0; i < 36; i++) await write();
    expect(asked()).toBe(before);
    for (let i = 0; i < 4; i++) await write();
    expect(asked()).toBe(before + 1);
    expect(state.size).toBeLessThan(80 * megabyte);
  });

  test('asks for it at the beginning of a snapshot already, once a quarter of the growth is used up', async () => {
    const { file, state, rule, asked, later } = pretend();
    Object.assign(rule, { percentage: 100, minBytes: megabyte });
    Object.assign(state, { size: 49 * megabyte, base: 40 * megabyte });
    const begin = () =>
      file.untilFree(
        1000,
        () => {
          if (state.rewriting) Object.assign(state, { base: state.size, rewriting: false });
          return true;
        },
        true,
      );
    await begin();
    expect(asked()).toBe(0);
    state.size = 50 * megabyte;
    later(10);
    await begin();
    expect(asked()).toBe(1);
    later(10);
    await begin();
    expect(asked()).toBe(1);
    rule.percentage = 0;
    state.size = 500 * megabyte;
    later(10);
    await begin();
    expect(asked()).toBe(1);
  });

  test('never asks for what the server would not begin, or that would be due again at once', async () => {
    const { file, state, rule, asked, later } = pretend();
    Object.assign(state, { size: 500 * megabyte, base: 40 * megabyte });
    await file.untilFree(megabyte, () => true);
    Object.assign(rule, { percentage: 1, minBytes: megabyte });
    Object.assign(state, { size: 40 * megabyte });
    later(10);
    await file.untilFree(100 * megabyte, () => true);
    expect(asked()).toBe(0);
  });

  test('asks once for each piece at the most where the server says yes and does nothing', async () => {
    const { file, state, rule, asked } = pretend();
    Object.assign(rule, { percentage: 100, minBytes: megabyte });
    Object.assign(state, { size: 10 * megabyte, base: 1000 });
    await file.untilFree(1, () => {
      state.rewriting = false;
      return true;
    });
    expect(asked()).toBe(1);
  });

  test('lets nothing wait for ever where one rewrite follows the other', async () => {
    const { file, state, time } = pretend();
    let looks = 0;
    await file.untilFree(1, () => {
      Object.assign(state, { rewriting: ++looks % 3 !== 0, base: looks });
      return true;
    });
    expect(time()).toBeGreaterThan(10_000);
    expect(time()).toBeLessThan(60_000);
  });

  test('lets removing wait for a rewrite too, slice by slice', async () => {
    const { file, state, time, later } = pretend();
    expect(await file.pause()).toBe(false);
    expect(time()).toBe(0);
    state.rewriting = true;
    later(10);
    let slices = 0;
    while (await file.pause()) if (++slices === 5) state.rewriting = false;
    // And one for the disk to settle.
    expect(slices).toBe(6);
    expect(time()).toBeLessThan(200);
  });

  test('does not ask again and again where a fresh file is larger than the data in memory', async () => {
    const { file, state, asked } = pretend();
    Object.assign(state, { size: 30 * megabyte, dataset: 5 * megabyte });
    expect(await file.maintain()).toBe(true);
    Object.assign(state, { size: 15 * megabyte, base: 15 * megabyte, rewriting: false });
    // One more slice, for the disk to settle.
    expect(await file.maintain()).toBe(true);
    expect(await file.maintain()).toBe(false);
    expect(await file.garbageBytes()).toBe(0);
    expect(asked()).toBe(1);
  });
});
