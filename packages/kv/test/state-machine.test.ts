import { isBalsaError, type Command, type OrderedStore } from '@balsa/raft-core';
import { createMemoryDisk, openMemoryEngine } from '@balsa/raft-core/memory';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  createKvStateMachine,
  decodeCommand,
  encodeCommand,
  type KvCommand,
  type KvStateMachine,
} from '../src/index.ts';
import { maxValueBytes } from '../src/machine/limits.ts';
import { memoryMachine } from './support/server.ts';

const bytes = fc.uint8Array({ maxLength: 40 });
const key = fc.constantFrom('a', 'b', 'c', 'd', '').map((text) => new Uint8Array(Buffer.from(text)));
const value = fc.oneof(
  bytes,
  fc.integer().map((n) => new Uint8Array(Buffer.from(String(n)))),
);
const command: fc.Arbitrary<KvCommand> = fc.oneof(
  fc.record({
    op: fc.constant('set' as const),
    key,
    value,
    get: fc.boolean(),
    condition: fc.oneof(
      fc.constantFrom('always' as const, 'nx' as const, 'xx' as const),
      fc.record({ ifeq: value }),
    ),
  }),
  fc.record({ op: fc.constant('del' as const), keys: fc.array(key, { maxLength: 4 }) }),
  fc.record({
    op: fc.constant('incrby' as const),
    key,
    delta: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  }),
  fc.record({ op: fc.constant('append' as const), key, value }),
  fc.record({ op: fc.constant('mset' as const), pairs: fc.array(fc.tuple(key, value), { maxLength: 4 }) }),
);

function entries(commands: readonly KvCommand[], from = 1): Command[] {
  return commands.map((each, i) => ({ index: from + i, term: 1, data: encodeCommand(each) }));
}

/** Applies in batches of the given sizes, over and over. */
async function applyAll(
  machine: KvStateMachine,
  all: readonly Command[],
  sizes: readonly number[],
): Promise<unknown[]> {
  const results: unknown[] = [];
  for (let at = 0, turn = 0; at < all.length; turn += 1) {
    const batch = all.slice(at, at + (sizes[turn % sizes.length] ?? 1));
    at += batch.length;
    results.push(...(await machine.apply({ commands: batch, appliedIndex: batch.at(-1)?.index ?? 0 })));
  }
  return results;
}

async function failureOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => undefined,
    (problem: unknown) => problem,
  );
}

const setA: KvCommand = {
  op: 'set',
  key: Buffer.from('a'),
  value: Buffer.from('1'),
  condition: 'always',
  get: false,
};
const incrN: KvCommand = { op: 'incrby', key: Buffer.from('n'), delta: 1n };

describe('the command encoding', () => {
  test('gives back what was encoded', () => {
    fc.assert(
      fc.property(command, (each) => {
        expect(decodeCommand(encodeCommand(each))).toEqual(each);
      }),
      { verbose: true, numRuns: 500 },
    );
  });

  test('of version 1 is pinned, byte for byte', () => {
    const cas: KvCommand = { ...setA, condition: { ifeq: Buffer.from('0') }, get: true };
    expect(Buffer.from(encodeCommand(cas)).toString('hex')).toBe('01010c0161013101' + '30');
    expect(
      Buffer.from(encodeCommand({ op: 'incrby', key: Buffer.from('n'), delta: -2n })).toString('hex'),
    ).toBe('0103fffffffffffffffe016e');
  });

  test('is refused when it is cut, longer, or of another version, and never throws anything else', () => {
    const whole = encodeCommand(setA);
    const bad = [
      whole.slice(0, -1),
      Uint8Array.of(...whole, 0),
      Uint8Array.of(2, ...whole.slice(1)),
      new Uint8Array(0),
      Uint8Array.of(1, 99),
    ];
    for (const data of bad) {
      let problem: unknown;
      try {
        decodeCommand(data);
      } catch (caught) {
        problem = caught;
      }
      expect(isBalsaError(problem, 'UNKNOWN_COMMAND_VERSION')).toBe(true);
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (data) => {
        try {
          decodeCommand(Uint8Array.of(1, ...data));
        } catch (caught) {
          expect(isBalsaError(caught, 'UNKNOWN_COMMAND_VERSION')).toBe(true);
        }
      }),
      { verbose: true },
    );
  });
});

describe('the state machine', () => {
  test('gives the same results and state however the log is cut into batches', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(command, { maxLength: 40 }),
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 }),
        async (commands, sizes) => {
          const [one, many] = [memoryMachine(), memoryMachine()];
          await one.open();
          await many.open();
          const log = entries(commands);
          expect(await applyAll(many, log, sizes)).toEqual(await applyAll(one, log, [1]));
          expect(await many.digest()).toEqual(await one.digest());
        },
      ),
      { verbose: true, numRuns: 100 },
    );
  });

  test('after a crash, goes on from its applied index and counts nothing twice', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: 20 }), fc.nat({ max: 20 }), async (synced, kept) => {
        const disk = createMemoryDisk();
        const log = entries(Array.from({ length: 30 }, () => incrN));
        const first = createKvStateMachine(openMemoryEngine({ disk }).orderedStore('kv'));
        await first.open();
        await applyAll(first, log.slice(0, synced), [3]);
        await first.sync();
        await applyAll(first, log.slice(synced, 25), [2]);
        disk.crash({ keepUnsyncedWrites: kept });

        const second = createKvStateMachine(openMemoryEngine({ disk }).orderedStore('kv'));
        const { appliedIndex } = await second.open();
        expect(appliedIndex).toBeGreaterThanOrEqual(synced);
        const results = await applyAll(second, log.slice(appliedIndex), [4]);
        expect(results.at(-1)).toEqual({ kind: 'integer', value: 30 });
      }),
      { verbose: true, numRuns: 50 },
    );
  });

  test('refuses a command that is in its state already', async () => {
    const machine = memoryMachine();
    await machine.open();
    await applyAll(machine, entries([incrN]), [1]);
    const again = await failureOf(machine.apply({ commands: entries([incrN]), appliedIndex: 1 }));
    expect(isBalsaError(again, 'INVARIANT_BROKEN')).toBe(true);
  });

  test('stops at a command of an unknown version, applying nothing of its batch and nothing later', async () => {
    const machine = memoryMachine();
    await machine.open();
    const future: Command = { index: 2, term: 1, data: Uint8Array.of(2, 1, 0) };
    const problem = await failureOf(
      machine.apply({ commands: [...entries([setA]), future], appliedIndex: 2 }),
    );
    expect(isBalsaError(problem, 'UNKNOWN_COMMAND_VERSION')).toBe(true);
    expect(await machine.store.count()).toBe(0);
    expect(machine.appliedIndex).toBe(0);
    const later = await failureOf(machine.apply({ commands: entries([setA], 3), appliedIndex: 3 }));
    expect(later).toBe(problem);
  });

  test('remembers the applied index of a batch without commands', async () => {
    const machine = memoryMachine();
    await machine.open();
    expect(await machine.apply({ commands: [], appliedIndex: 7 })).toEqual([]);
    expect(await machine.sync()).toBe(7);
  });

  test('does not let APPEND grow a value past the largest one', async () => {
    const machine = memoryMachine();
    await machine.open();
    const append: KvCommand = { op: 'append', key: Buffer.from('a'), value: Buffer.alloc(maxValueBytes) };
    const results = await applyAll(machine, entries([append, { ...append, value: Buffer.alloc(1) }]), [2]);
    expect(results).toEqual([
      { kind: 'integer', value: maxValueBytes },
      { kind: 'error', text: 'ERR string exceeds maximum allowed size (4194304 bytes)' },
    ]);
  });

  test('comes out of a snapshot, on another store, with the digest it went in with', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(command, { maxLength: 40 }), async (commands) => {
        const [source, target] = [memoryMachine(), memoryMachine()];
        await source.open();
        await target.open();
        await applyAll(source, entries(commands), [5]);
        await applyAll(target, entries([setA, incrN]), [1]);
        const view = await source.snapshot();
        await applyAll(source, entries([setA], commands.length + 1), [1]);
        const metadata = { index: view.appliedIndex, term: 1, confState: confStateOfOne };
        await target.restore(metadata, view.chunks());
        await view.release();
        expect(target.appliedIndex).toBe(commands.length);
        await applyAll(target, entries([setA], commands.length + 1), [1]);
        expect(await target.digest()).toEqual(await source.digest());
      }),
      { verbose: true, numRuns: 50 },
    );
  });

  test('has a digest that one changed byte, or one moved between key and value, changes', async () => {
    const digests = new Set<string>();
    for (const [k, v] of [
      ['ab', 'c'],
      ['a', 'bc'],
      ['ab', 'd'],
    ] as const) {
      const machine = memoryMachine();
      await machine.open();
      await applyAll(machine, entries([{ ...setA, key: Buffer.from(k), value: Buffer.from(v) }]), [1]);
      digests.add((await machine.digest()).digest);
    }
    expect(digests.size).toBe(3);
  });

  test('reads the keys of a batch once, not at all what it wrote itself, and writes several batches as one', async () => {
    const calls: string[] = [];
    const machine = createKvStateMachine(listening(openMemoryEngine().orderedStore('kv'), calls));
    await machine.open();
    await applyAll(machine, entries([setA, incrN, incrN, setA, incrN, incrN]), [4, 2]);
    expect(calls).toEqual(['open', 'getMany']);
    expect(await machine.sync()).toBe(6);
    expect(calls).toEqual(['open', 'getMany', 'write', 'sync']);
    expect(await machine.sync()).toBe(6);
    expect(calls).toEqual(['open', 'getMany', 'write', 'sync', 'sync']);
  });
});

/** Notes the name of every call. */
function listening(store: OrderedStore, calls: string[]): OrderedStore {
  return new Proxy(store, {
    get: (target, name) => {
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== 'function') return member;
      return (...args: unknown[]): unknown => {
        calls.push(String(name));
        return Reflect.apply(member, target, args);
      };
    },
  });
}

const confStateOfOne = { voters: [1], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
