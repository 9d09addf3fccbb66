/** What a checkpoint waits for, what waits for it, and what becomes of one that fails. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { LogLevel } from '@balsa/raft-core';
import { describe, expect, onTestFinished, test } from 'vitest';
import { CheckpointThread, type CheckpointReply, type Thread } from '../src/checkpoint-requests.ts';
import { configure, openConnection, type Connection } from '../src/schema.ts';
import { WalCopy, walOf } from '../src/wal-copy.ts';
import { env, temporaryDirectory } from './support/index.ts';

function open(): Connection {
  const db = openConnection(join(temporaryDirectory(), 'some.db'));
  onTestFinished(() => {
    db.close();
  });
  configure(db, 'NORMAL', 1024 * 1024);
  db.exec('CREATE TABLE some (n INTEGER PRIMARY KEY, data BLOB)');
  return db;
}

/** Commits of a quarter of a mebibyte each, unless said. */
function write(db: Connection, count: number, bytes = 256 * 1024): void {
  const insert = db.prepare('INSERT INTO some (data) VALUES (?)');
  for (let i = 0; i < count; i++) insert.run(new Uint8Array(bytes));
}

/** What another thread would do, when the test says. */
class Copier {
  readonly #asked: (() => void)[] = [];
  #heard: (() => void) | undefined;

  run(path: string): Promise<void> {
    return new Promise((resolve) => {
      this.#asked.push(() => {
        const db = new Database(path);
        db.pragma('wal_checkpoint(PASSIVE)');
        db.close();
        resolve();
      });
      this.#heard?.();
    });
  }

  /** Resolves with what is to be called, when it is asked for. */
  async next(): Promise<() => void> {
    while (this.#asked.length === 0) await new Promise<void>((resolve) => (this.#heard = resolve));
    return this.#asked.shift()!;
  }

  async serve(): Promise<void> {
    (await this.next())();
  }
}

interface Scene {
  readonly db: Connection;
  readonly copier: Copier;
  readonly copy: WalCopy;
  /** What happened while commits had to wait. */
  readonly paused: string[];
}

function scene(): Scene {
  const [db, copier, paused] = [open(), new Copier(), [] as string[]];
  const alone = async (work: () => Promise<void>): Promise<void> => {
    paused.push('wait');
    await work();
    paused.push('go on');
  };
  const prepare = (): void => {
    paused.push('prepare');
    db.exec('INSERT INTO some (data) VALUES (NULL)');
  };
  return { db, copier, paused, copy: new WalCopy({ env, db, thread: copier, holdMs: 0, alone, prepare }) };
}

describe('a copy of the write-ahead log', () => {
  test('goes on beside commits, and takes what they add while they wait', async () => {
    const { db, copier, copy, paused } = scene();
    write(db, 8);
    const done = copy.run();
    const most = await copier.next();
    write(db, 1, 1000);
    expect(paused).toEqual([]);
    most();
    const rest = await copier.next();
    expect(paused).toEqual(['wait', 'prepare']);
    rest();
    await done;
    expect(paused).toEqual(['wait', 'prepare', 'go on']);
    expect(walOf(db).pendingBytes).toBe(0);
  });

  test('is made in rounds while much is added, but not for ever', async () => {
    const { db, copier, copy, paused } = scene();
    write(db, 8);
    const done = copy.run();
    for (let round = 0; round < 3; round++) {
      const most = await copier.next();
      expect(paused).toEqual([]);
      write(db, 4);
      most();
    }
    const rest = await copier.next();
    expect(paused).toEqual(['wait', 'prepare']);
    rest();
    await done;
    expect(walOf(db).pendingBytes).toBe(0);
  });

  test('does not let the log begin anew before it was prepared for that', async () => {
    const { db, copier, copy, paused } = scene();
    write(db, 8);
    const { bytes } = walOf(db);
    const done = copy.run();
    // Everything is copied, and nobody has prepared: without a reader this commit would begin the log anew.
    await copier.serve();
    write(db, 1, 1000);
    expect(paused).toEqual([]);
    expect(walOf(db).bytes).toBeGreaterThan(bytes);
    await copier.serve();
    await done;
    write(db, 1);
    expect(walOf(db).bytes).toBeLessThan(bytes);
  });

  test('shrinks the files when it is to', async () => {
    const { db, copier, copy } = scene();
    write(db, 8);
    const done = copy.run(true);
    await copier.serve();
    await done;
    expect(statSync(`${db.name}-wal`).size).toBe(0);
  });

  test('is made here, with one warning, where there is no other thread', async () => {
    const db = open();
    const warnings: string[] = [];
    const log = {
      enabled: () => true,
      log: (level: LogLevel, text: string) => void warnings.push(`${level} ${text}`),
    };
    const copy = new WalCopy({
      env: { ...env, log },
      db,
      thread: { run: () => Promise.reject(new Error('no threads here')) },
      holdMs: 0,
      alone: (work) => work(),
    });
    for (let i = 0; i < 2; i++) {
      write(db, 4);
      await copy.run();
      expect(walOf(db).pendingBytes).toBe(0);
    }
    expect(warnings).toEqual([`${LogLevel.Warn} a checkpoint of ${db.name} has to hold up the event loop`]);
  });

  test('is made in place while that is short, elsewhere once it is long, and in place again', async () => {
    const db = open();
    const clock = { now: 0, ms: 1 };
    let elsewhere = 0;
    const copy = new WalCopy({
      // Whatever is measured takes as long as the clock says.
      env: { ...env, now: () => (clock.now += clock.ms) },
      db,
      thread: {
        run: () => {
          elsewhere++;
          db.pragma('wal_checkpoint(PASSIVE)');
          return Promise.resolve();
        },
      },
      holdMs: 20,
      alone: (work) => work(),
    });
    const copies = async (count: number): Promise<number> => {
      const before = elsewhere;
      for (let i = 0; i < count; i++) {
        write(db, 2);
        await copy.run();
        expect(walOf(db).pendingBytes).toBe(0);
      }
      return elsewhere - before;
    };
    expect(await copies(10)).toBe(0);
    clock.ms = 200;
    expect(await copies(10)).toBeGreaterThan(10);
    clock.ms = 1;
    await copies(40);
    expect(await copies(10)).toBe(0);
  });

  test('fails as SQLite does, and the next one is made all the same', async () => {
    const db = open();
    const full = new Database.SqliteError('database or disk is full', 'SQLITE_FULL');
    const answers = [Promise.reject(full), Promise.resolve(), Promise.resolve()];
    const copy = new WalCopy({
      env,
      db,
      thread: { run: () => answers.shift() ?? Promise.resolve() },
      holdMs: 0,
      alone: (work) => work(),
    });
    write(db, 4);
    const [first, second] = [copy.run(), copy.run()];
    await expect(first).rejects.toBe(full);
    await second;
    await copy.idle();
    expect(answers).toHaveLength(0);
  });
});

/** A thread that does nothing by itself. */
class FakeThread implements Thread {
  readonly told: Record<string, (what: never) => void> = {};
  readonly requests: { readonly id: number }[] = [];
  readonly calls: string[] = [];
  on(event: string, told: (what: never) => void): void {
    this.told[event] = told;
  }
  postMessage(request: { readonly id: number }): void {
    this.requests.push(request);
  }
  ref(): void {
    this.calls.push('ref');
  }
  unref(): void {
    this.calls.push('unref');
  }
  terminate(): Promise<void> {
    this.calls.push('terminate');
    return Promise.resolve();
  }
  answer(reply: CheckpointReply): void {
    this.told['message']?.(reply as never);
  }
}

function threads() {
  const started: FakeThread[] = [];
  const timers: (() => void)[] = [];
  const pool = new CheckpointThread({
    start: () => {
      const thread = new FakeThread();
      started.push(thread);
      return thread;
    },
    idleMs: 1,
    setTimer: (_ms, callback) => {
      timers.push(callback);
      return { cancel: () => void timers.splice(timers.indexOf(callback), 1) };
    },
  });
  return { pool, started, timers };
}

describe('the thread of checkpoints', () => {
  test('keeps the process alive only while somebody waits, and ends when nobody asks', async () => {
    const { pool, started, timers } = threads();
    const first = pool.run('a', 1);
    const second = pool.run('b', 1);
    const [thread] = started;
    thread?.answer({ id: 1 });
    await first;
    expect(thread?.calls).toEqual(['ref', 'ref']);
    thread?.answer({ id: 2 });
    await second;
    expect(thread?.calls).toEqual(['ref', 'ref', 'unref']);
    timers[0]?.();
    expect(thread?.calls.at(-1)).toBe('terminate');
    thread?.told['exit']?.(0 as never);
    void pool.run('a', 1);
    expect(started).toHaveLength(2);
  });

  test('hands errors on: SQLite’s with their code, others without', async () => {
    const { pool, started } = threads();
    const [full, gone] = [pool.run('a', 1), pool.run('b', 1)];
    started[0]?.answer({ id: 1, error: { message: 'disk is full', code: 'SQLITE_FULL' } });
    started[0]?.answer({ id: 2, error: { message: 'unable to open' } });
    await expect(full).rejects.toMatchObject({ message: 'disk is full', code: 'SQLITE_FULL' });
    const error: unknown = await gone.catch((caught: unknown) => caught);
    expect(error).toMatchObject({ message: 'unable to open' });
    expect(error).not.toHaveProperty('code');
  });

  test.each(['error', 'exit'])(
    'that dies (%s) fails those who wait, and another one serves the next',
    async (event) => {
      const { pool, started } = threads();
      const waiting = pool.run('a', 1);
      started[0]?.told[event]?.((event === 'exit' ? 1 : new Error('out of memory')) as never);
      await expect(waiting).rejects.toThrow('the thread of checkpoints is gone');
      const next = pool.run('a', 1);
      expect(started).toHaveLength(2);
      started[1]?.answer({ id: 2 });
      await next;
    },
  );
});
