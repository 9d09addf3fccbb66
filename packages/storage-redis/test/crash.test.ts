/** The server killed at random moments while several groups and an ordered store are written to. */
import { expect, test } from 'vitest';
import type { Engine, OrderedStore, Storage } from '@balsa/raft-core';
import { codeOf, entries, key, openEngine, startServer } from './support/index.ts';

const rounds = Math.min(1000, Number(process.env['BALSA_CRASH_ROUNDS'] ?? 10));
const seed = Number(process.env['BALSA_SEED'] ?? 20261130);
const groups = ['a', 'b', 'c'];

/** Uniform in [0, 1), the same for the same seed (mulberry32). */
function randomFrom(start: number): () => number {
  let state = start;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let value = Math.imul(state ^ (state >>> 15), 1 | state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32;
  };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** What one part was told that it holds. */
interface Told {
  last: number;
  term: number;
  compacted: number;
}

/** Writes until a write fails; the batch under way then may be there or not. */
async function writeLog(storage: Storage, told: Told, random: () => number): Promise<string> {
  for (;;) {
    const count = 1 + Math.floor(random() * 20);
    const term = Math.max(1, told.term + (random() < 0.2 ? 1 : 0));
    const batch = entries(told.last + 1, count, term, `of ${String(count)}`);
    const commit = told.last;
    const outcome = await codeOf(storage.write({ entries: batch, hardState: { term, vote: 1, commit } }));
    if (outcome !== 'none') return outcome;
    Object.assign(told, { last: told.last + count, term });
    if (random() >= 0.1) continue;
    const compacted = await codeOf(storage.compactTo(commit));
    if (compacted !== 'none') return compacted;
    told.compacted = Math.max(told.compacted, commit);
    const maintained = await codeOf(storage.maintain());
    if (maintained !== 'none') return maintained;
  }
}

/** Every write sets all of three keys to its number: a half one would be seen. */
async function writePairs(store: OrderedStore, told: { applied: number }): Promise<string> {
  for (;;) {
    const appliedIndex = told.applied + 1;
    const value = key(String(appliedIndex));
    const changes = ['x', 'y', 'z'].map((name) => [key(name), value] as const);
    const outcome = await codeOf(store.write({ changes, appliedIndex }));
    if (outcome !== 'none') return outcome;
    told.applied = appliedIndex;
  }
}

async function verifyLog(storage: Storage, told: Told): Promise<void> {
  const state = await storage.open();
  expect(state.lastIndex).toBeGreaterThanOrEqual(told.last);
  expect(state.hardState.term).toBeGreaterThanOrEqual(told.term);
  expect(state.firstIndex).toBeGreaterThan(told.compacted);
  const found = await storage.entries(state.firstIndex, state.lastIndex + 1, 1e9);
  expect(found.length).toBe(state.lastIndex - state.firstIndex + 1);
  if (state.lastIndex > told.last) {
    const whole = `of ${String(state.lastIndex - told.last)}`;
    expect(new TextDecoder().decode(found.at(-1)?.data)).toBe(whole);
  }
  Object.assign(told, { last: state.lastIndex, term: state.hardState.term });
}

async function verifyPairs(store: OrderedStore, told: { applied: number }): Promise<void> {
  const { appliedIndex } = await store.open();
  expect([told.applied, told.applied + 1]).toContain(appliedIndex);
  const values = await store.getMany(['x', 'y', 'z'].map(key));
  const expected = appliedIndex === 0 ? undefined : key(String(appliedIndex));
  expect(values).toEqual([expected, expected, expected]);
  told.applied = appliedIndex;
}

test(
  `a server killed ${String(rounds)} times under load loses nothing acknowledged and halves nothing (seed ${String(seed)})`,
  async () => {
    const random = randomFrom(seed);
    const place = await startServer();
    const told = groups.map((): Told => ({ last: 0, term: 0, compacted: 0 }));
    const pairs = { applied: 0 };
    for (let round = 0; round <= rounds; round++) {
      const engine: Engine = await openEngine(place, { segmentBytes: 16 * 1024 });
      const logs = groups.map((name) => engine.group(name));
      for (const [i, log] of logs.entries()) await verifyLog(log, told[i] as Told);
      const store = engine.orderedStore('kv');
      await verifyPairs(store, pairs);
      if (round === rounds) return;
      const writers = [
        ...logs.map((log, i) => writeLog(log, told[i] as Told, random)),
        writePairs(store, pairs),
      ];
      for (let left = 1 + Math.floor(random() * 400); left > 0; left--) await turn();
      await place.server.kill();
      for (const outcome of await Promise.all(writers)) expect(outcome).toMatch(/^STORE_/);
      await codeOf(engine.close());
      await place.server.start();
    }
  },
  20_000 + rounds * 5000,
);
