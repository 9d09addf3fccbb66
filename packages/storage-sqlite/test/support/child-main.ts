/** What runs in a child process: `node child-main.js MODE DIRECTORY`. */
import { accessSync, writeSync } from 'node:fs';
import {
  Entry,
  EntryType,
  isBalsaError,
  silentLogger,
  type Engine,
  type Env,
  type Storage,
} from '@balsa/raft-core';
import { openSqliteEngine } from '@balsa/storage-sqlite';

const env: Env = {
  now: () => performance.now(),
  setTimer: (ms, callback) => {
    if (ms === 0) setImmediate(callback);
    else setTimeout(callback, ms);
    return { cancel: () => undefined };
  },
  random: Math.random,
  log: silentLogger,
};

const say = (line: string): void => {
  writeSync(1, `${line}\n`);
};

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

/** Batch `number` has 1 to 5 entries, each saying which batch it is of, its place, and the size of the batch. */
async function writeBatch(storage: Storage, number: number, first: number, term: number): Promise<number> {
  const size = 1 + (number % 5);
  const entries = Array.from({ length: size }, (_, i) => {
    const data = text(`${String(number)}:${String(i)}:${String(size)}:${'x'.repeat((number * 37) % 700)}`);
    return new Entry(term, first + i, EntryType.Normal, data);
  });
  const last = first + size - 1;
  await storage.write({ entries, hardState: { term, vote: term, commit: last } });
  say(`ack ${String(last)} ${String(term)}`);
  return last;
}

/** Writes, applies, syncs and compacts for ever, saying what was acknowledged. */
async function work(engine: Engine): Promise<void> {
  const storage = engine.group('g');
  const state = await storage.open();
  const store = engine.orderedStore('kv');
  await store.open();
  let last = state.lastIndex;
  let term = Math.max(1, state.hardState.term);
  say('open');
  for (let number = 0; ; number++) {
    if (number % 11 === 10) term++;
    last = await writeBatch(storage, number, last + 1, term);
    await store.write({
      changes: [[text(`k${String(number % 50)}`), text(String(last))]],
      appliedIndex: last,
    });
    if (number % 7 === 6) say(`synced ${String(await store.sync())}`);
    if (number % 40 === 39) {
      await storage.compactTo(last - 20);
      say(`compacted ${String(last - 20)}`);
      while (await storage.maintain());
    }
  }
}

/** A hundred writes of one term, then silence: what the write-ahead log holds is known. */
async function fill(engine: Engine): Promise<void> {
  const storage = engine.group('g');
  await storage.open();
  let last = 0;
  for (let number = 0; number < 100; number++) last = await writeBatch(storage, number, last + 1, 1);
  // The watermark is written behind; a few turns later it is there.
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setTimeout(resolve, 1));
  say('filled');
}

async function unfinished(engine: Engine): Promise<void> {
  const storage = engine.group('g');
  await storage.open();
  const store = engine.orderedStore('kv');
  await store.open();
  await store.write({ changes: [[text('present'), text('1')]], appliedIndex: 1 });
  await store.sync();
  const confState = { voters: [1], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
  const writer = await storage.receiveSnapshot({ index: 9, term: 2, confState });
  await writer.write(new Uint8Array(100_000));
  const restore = await store.beginRestore();
  await restore.put([{ key: text('a'), value: text('b') }]);
  say('unfinished');
}

/** Forty applied batches, of which the first thirty are synced. */
async function apply(engine: Engine): Promise<void> {
  const store = engine.orderedStore('kv');
  await store.open();
  for (let index = 1; index <= 40; index++) {
    const changes = Array.from(
      { length: 5 },
      (_, i) => [text(`k${String((index * 7 + i) % 60)}`), text(`${String(index)} `.repeat(50))] as const,
    );
    await store.write({ changes, appliedIndex: index });
    if (index === 30) say(`synced ${String(await store.sync())}`);
  }
  say('unsynced 40');
}

const mark = (name: string): void => {
  try {
    accessSync(`/balsa-mark-${name}`);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
  }
};

/** Marks in the system call trace what is written between two syncs. */
async function trace(engine: Engine): Promise<void> {
  const groups = await Promise.all(
    ['a', 'b', 'c'].map(async (id) => {
      const storage = engine.group(id);
      await storage.open();
      return storage;
    }),
  );
  const one = groups[0];
  if (one === undefined) return;
  const entry = (index: number): Entry => new Entry(1, index, EntryType.Normal, text('payload'));
  await Promise.all(
    groups.map((group) => group.write({ entries: [entry(1)], hardState: { term: 1, vote: 1, commit: 0 } })),
  );
  mark('single');
  for (let i = 2; i < 22; i++)
    await one.write({ entries: [entry(i)], hardState: { term: 1, vote: 1, commit: i - 1 } });
  mark('shared');
  for (let i = 22; i < 42; i++) {
    await Promise.all(groups.map((group, g) => group.write({ entries: [entry(g === 0 ? i : i - 20)] })));
  }
  mark('vote');
  await one.write({ hardState: { term: 2, vote: 3, commit: 21 } });
  mark('end');
  await engine.close();
}

/** Writes until the disk refuses, and says how. */
async function exhaust(engine: Engine): Promise<void> {
  const storage = engine.group('g');
  await storage.open();
  const outcome = async (run: () => Promise<unknown>): Promise<string> => {
    try {
      await run();
      return 'ok';
    } catch (error) {
      return isBalsaError(error) ? error.code : String(error);
    }
  };
  for (let number = 0, last = 0; ; number++) {
    const code = await outcome(async () => (last = await writeBatch(storage, number, last + 1, 1)));
    if (code === 'ok') continue;
    say(`first ${code}`);
    say(`then ${await outcome(() => storage.write({ hardState: { term: 9, vote: 1, commit: 0 } }))}`);
    say(`read ${await outcome(() => storage.entries(1, 2, 100))}`);
    return;
  }
}

const [, , mode = '', directory = ''] = process.argv;
const modes: Readonly<Record<string, (engine: Engine) => Promise<void>>> = {
  work,
  fill,
  unfinished,
  trace,
  exhaust,
  apply,
  upgrade: async (engine) => {
    await engine.close();
    say('upgraded');
  },
  hold: () => {
    say('held');
    return Promise.resolve();
  },
};
const worker = process.env['BALSA_SQLITE_WORKER'] === 'true';
const engine = await openSqliteEngine({ directory, env, worker });
await modes[mode]?.(engine);
// The others stay until they are killed, and so does the engine: collected as garbage, it would lose its lock.
if (mode !== 'trace' && mode !== 'upgrade') setInterval(() => engine.capabilities, 1000);
