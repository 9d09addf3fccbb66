import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { LogLevel, isBalsaError, silentLogger, type Engine, type Logger, type Timer } from '@balsa/raft-core';
import { openWorkerEngine } from '@balsa/storage-kit/worker';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { IdleThreads, type Keepable } from '../../src/worker/idle-threads.ts';

class Fake implements Keepable {
  isDead = false;
  ended = 0;
  async end(): Promise<void> {
    this.ended++;
    this.isDead = true;
  }
}

interface FakeTimer extends Timer {
  readonly ms: number;
  readonly fire: () => void;
  cancelled: boolean;
}

function pool(max: number): { readonly idle: IdleThreads<Fake>; readonly timers: FakeTimer[] } {
  const timers: FakeTimer[] = [];
  const setTimer = (ms: number, fire: () => void): Timer => {
    const timer: FakeTimer = { ms, fire, cancelled: false, cancel: () => (timer.cancelled = true) };
    timers.push(timer);
    return timer;
  };
  return { idle: new IdleThreads<Fake>({ max, ms: 250, setTimer }), timers };
}

describe('threads that serve nobody', () => {
  test('are given once, the newest first, to whoever names what they have loaded', () => {
    const { idle, timers } = pool(3);
    const [one, two, other] = [new Fake(), new Fake(), new Fake()];
    idle.give('a', one);
    idle.give('a', two);
    idle.give('b', other);
    expect(idle.take('c')).toBeUndefined();
    expect([idle.take('a'), idle.take('a'), idle.take('a')]).toEqual([two, one, undefined]);
    expect(idle.take('b')).toBe(other);
    expect(timers.map(({ cancelled }) => cancelled)).toEqual([true, true, true]);
    expect([one.ended, two.ended, other.ended]).toEqual([0, 0, 0]);
  });

  test('are ended when their time is over', () => {
    const { idle, timers } = pool(3);
    const thread = new Fake();
    idle.give('a', thread);
    expect(timers[0]?.ms).toBe(250);
    timers[0]?.fire();
    expect(thread.ended).toBe(1);
    expect(idle.take('a')).toBeUndefined();
  });

  test('are ended when there are too many, the one that is idle longest first', () => {
    const { idle, timers } = pool(2);
    const threads = [new Fake(), new Fake(), new Fake()];
    threads.forEach((thread, i) => idle.give(String(i), thread));
    expect(threads.map(({ ended }) => ended)).toEqual([1, 0, 0]);
    expect(timers.map(({ cancelled }) => cancelled)).toEqual([true, false, false]);
  });

  test('are not given once they are dead', () => {
    const { idle } = pool(2);
    const [alive, dead] = [new Fake(), new Fake()];
    idle.give('a', alive);
    idle.give('a', dead);
    dead.isDead = true;
    expect([idle.take('a'), idle.take('a')]).toEqual([alive, undefined]);
  });
});

const fixture = new URL('../support/worker-fixture.mjs', import.meta.url);

function open(options: Record<string, unknown> = {}, log: Logger = silentLogger): Promise<Engine> {
  const env = { now: () => 0, setTimer: () => ({ cancel: () => undefined }), random: () => 0, log };
  return openWorkerEngine({ module: fixture, open: 'openEnding', options, env });
}

/** Opens and closes; the thread of it. */
async function life(options: Record<string, unknown> = {}, log?: Logger): Promise<string> {
  let engine: Engine;
  try {
    engine = await open(options, log);
  } catch (error) {
    // The fixture refuses with the name of its thread.
    return (error as Error).message;
  }
  const [thread = ''] = await engine.listGroups();
  await engine.close().catch((error: unknown) => {
    if (!isBalsaError(error)) throw error;
  });
  return thread;
}

describe('the thread of an engine', () => {
  // The idle time of the process's own threads.
  beforeAll(() => vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
  afterAll(() => vi.useRealTimers());

  test('serves the next one behind a close, and behind a refused opening', async () => {
    const thread = await life();
    expect(await life()).toBe(thread);
    expect(await life({ opening: 'refuses' })).toBe(thread);
    expect(await life()).toBe(thread);
  });

  test.each([
    ['an opening whose outcome is not known', { opening: 'fails' }],
    ['an opening that failed without a code', { opening: 'is foreign' }],
    ['a close that failed', { closing: 'fails' }],
  ])('is not used again behind %s', async (_, options) => {
    const thread = await life(options);
    expect(await life()).not.toBe(thread);
  });

  test('is its own while it is open', async () => {
    const [one, other] = [await open(), await open()];
    expect(await one.listGroups()).not.toEqual(await other.listGroups());
    await one.close();
    const third = await open();
    expect(await third.listGroups()).not.toEqual(await other.listGroups());
    await Promise.all([other.close(), third.close()]);
  });

  test('hears nothing of an engine before it', async () => {
    const lines: string[] = [];
    const log = (name: string): Logger => ({
      enabled: () => true,
      log: (_, text) => void lines.push(`${name}: ${text}`),
    });
    const thread = await life({}, log('first'));
    expect(await life({}, log('second'))).toBe(thread);
    expect(lines).toEqual([]);
  });

  test('is ended when nobody wants it for a second', async () => {
    const thread = await life();
    vi.advanceTimersByTime(999);
    expect(await life()).toBe(thread);
    vi.advanceTimersByTime(1000);
    expect(await life()).not.toBe(thread);
  });

  test('that is ended because nobody wants it says nothing of a death', async () => {
    const lines: string[] = [];
    const log = { enabled: () => true, log: (_level: LogLevel, text: string) => void lines.push(text) };
    const thread = await life({}, log);
    vi.advanceTimersByTime(1000);
    // To start another one takes longer than to end one.
    expect(await life()).not.toBe(thread);
    expect(lines).toEqual([]);
  });

  test('that dies while it is idle says so to the log of its last engine, and is not used again', async () => {
    let tell: (text: string) => void = () => undefined;
    const told = new Promise<string>((resolve) => (tell = resolve));
    const log = { enabled: () => true, log: (level: LogLevel, text: string) => tell(`${level} ${text}`) };
    const thread = await life({ closing: 'throws when told' }, log);
    const channel = new BroadcastChannel('behind the end');
    channel.postMessage('now');
    expect(await told).toBe(`${LogLevel.Error} an idle worker thread died: behind the end`);
    channel.close();
    expect(await life()).not.toBe(thread);
  });

  test('keeps no process alive while it is idle', async () => {
    const program = fileURLToPath(new URL('../support/exiting.mjs', import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, [program]);
    expect(stdout).toBe('still there\n');
  });
});
