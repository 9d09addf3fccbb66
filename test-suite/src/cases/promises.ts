/** Every call answers by a promise, also where it refuses: whoever awaits late, or in a chain, must not be thrown at. */
import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { NoLimit, type Engine, type Storage } from '@balsa/raft-core';
import type { ConformanceCase } from '../case.ts';
import { isPromise } from '../check.ts';
import { entry, hard, meta, run } from '../make.ts';

type Calls = Readonly<Record<string, () => unknown>>;

/** A name in brackets says with what: the arguments are such as a store refuses. */
const callsOf = (storage: Storage): Calls => ({
  'write (a gap)': () => storage.write({ entries: [entry(99, 1)] }),
  'write (no index)': () => storage.write({ entries: [entry(Number.NaN, 1)] }),
  'write (nothing)': () => storage.write({}),
  'entries (none)': () => storage.entries(1, 1, NoLimit),
  'entries (beyond the last)': () => storage.entries(1, 99, NoLimit),
  'entries (below the first)': () => storage.entries(0, 1, NoLimit),
  'compactTo (nothing to do)': () => storage.compactTo(0),
  'compactTo (beyond the commit)': () => storage.compactTo(99),
  'compactTo (no index)': () => storage.compactTo(Number.NaN),
  'receiveSnapshot (nothing to resume)': () => storage.receiveSnapshot(meta(9, 1), 'there-is-none'),
  'openSnapshot (there is none)': () => storage.openSnapshot('there-is-none'),
  listSnapshots: () => storage.listSnapshots(),
  pruneSnapshots: () => storage.pruneSnapshots(1),
  maintain: () => storage.maintain(),
  stats: () => storage.stats(),
});

const callsOfEngine = (engine: Engine): Calls => ({
  identity: () => engine.identity(),
  listGroups: () => engine.listGroups(),
  'destroyGroup (there is none)': () => engine.destroyGroup('there-is-none'),
});

/** What they resolve or reject with is for other cases. */
async function givePromises(when: string, calls: Calls): Promise<void> {
  for (const [name, call] of Object.entries(calls)) {
    let answer: unknown;
    try {
      answer = call();
    } catch (error) {
      const thrown = error instanceof Error ? error.message : inspect(error);
      assert.fail(`${when}, ${name} threw at once: ${thrown}; expected a promise that rejects with it`);
    }
    assert.ok(isPromise(answer), `${when}, ${name} returned ${inspect(answer)}; expected a promise`);
    await Promise.allSettled([answer]);
  }
}

export const promiseCases: readonly ConformanceCase[] = [
  {
    id: 'calls/give-promises',
    title: 'every call gives a promise, and what it refuses it rejects with: none throws at once',
    level: 'core',
    run: async (context) => {
      const engine = await context.engine();
      await givePromises('before open', callsOf(engine.group('group')));
      const { storage } = await context.group();
      await storage.write({ entries: run(1, 3, 1), hardState: hard(1, 2) });
      await givePromises('on an open group', { ...callsOf(storage), ...callsOfEngine(engine) });
      await givePromises('on an open group', { 'open (again)': () => storage.open() });
      await storage.close();
      const closed = { ...callsOf(storage), open: () => storage.open(), close: () => storage.close() };
      await givePromises('on a closed group', closed);
      await engine.close();
      await givePromises('on a closed engine', { ...callsOfEngine(engine), close: () => engine.close() });
    },
  },
];
