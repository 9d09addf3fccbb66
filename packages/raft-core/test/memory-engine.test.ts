import { describe, expect, test } from 'vitest';
import { BalsaError, Entry, EntryType, type OrderedStore } from '@balsa/raft-core';
import { createMemoryDisk, openMemoryEngine, type MemoryOperation } from '@balsa/raft-core/memory';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const entry = (index: number, term: number): Entry => new Entry(term, index, EntryType.Normal, bytes('x'));
const code = (value: string): object => expect.objectContaining({ code: value }) as object;

async function valuesOf(store: OrderedStore): Promise<string[]> {
  const pairs = await store.range({ limit: 100 });
  return pairs.map(({ key, value }) => `${new TextDecoder().decode(key)}=${new TextDecoder().decode(value)}`);
}

describe('memory disk', () => {
  test('refuses a second engine while the first is open, and takes it once that is closed', async () => {
    const disk = createMemoryDisk();
    const first = openMemoryEngine({ disk });
    expect(() => openMemoryEngine({ disk })).toThrow(code('STORE_LOCKED'));
    await first.close();
    await openMemoryEngine({ disk }).close();
    expect(disk.inUse).toBe(false);
  });

  test('keeps what was written for the next engine', async () => {
    const disk = createMemoryDisk();
    const first = openMemoryEngine({ disk });
    const group = first.group('g');
    await group.open();
    await group.write({ entries: [entry(1, 1)], hardState: { term: 1, vote: 2, commit: 1 } });
    await first.close();
    await using second = openMemoryEngine({ disk });
    const state = await second.group('g').open();
    expect(state).toMatchObject({ lastIndex: 1, hardState: { term: 1, vote: 2, commit: 1 } });
  });

  test('a crash drops ordered writes that were not synced, down to the prefix asked for', async () => {
    const disk = createMemoryDisk();
    const store = openMemoryEngine({ disk }).orderedStore('kv');
    await store.open();
    await store.write({ changes: [[bytes('a'), bytes('0')]], appliedIndex: 1 });
    await store.sync();
    await store.write({ changes: [[bytes('a'), bytes('1')]], appliedIndex: 2 });
    await store.write({ changes: [[bytes('a'), undefined], [bytes('b'), bytes('2')]], appliedIndex: 3 }); // prettier-ignore
    await store.write({ changes: [[bytes('b'), bytes('3')]], appliedIndex: 4 });
    disk.crash({ keepUnsyncedWrites: 1 });
    await expect(store.count()).rejects.toThrow(code('STORE_CLOSED'));
    await using engine = openMemoryEngine({ disk });
    const again = engine.orderedStore('kv');
    expect(await again.open()).toEqual({ appliedIndex: 2 });
    expect(await valuesOf(again)).toEqual(['a=1']);
  });

  test('a crash stops a write that has not taken effect', async () => {
    const disk = createMemoryDisk();
    let free = (): void => undefined;
    const stuck = new Promise<void>((resolve) => (free = resolve));
    const engine = openMemoryEngine({
      disk,
      schedule: (operation) => (operation.name === 'write' ? stuck : undefined),
    });
    const group = engine.group('g');
    await group.open();
    const write = group.write({ entries: [entry(1, 1)] });
    disk.crash();
    free();
    await expect(write).rejects.toThrow(code('STORE_UNKNOWN_OUTCOME'));
    await using next = openMemoryEngine({ disk });
    expect((await next.group('g').open()).lastIndex).toBe(0);
  });
});

describe('schedule', () => {
  const failing = (phase: MemoryOperation['phase'], error: Error) => (operation: MemoryOperation) => {
    if (operation.name === 'write' && operation.phase === phase) throw error;
  };

  test.each([
    ['before', 0],
    ['after', 1],
  ] as const)('a failure %s the effect is an unknown outcome and poisons the engine', async (phase, last) => {
    const disk = createMemoryDisk();
    const engine = openMemoryEngine({ disk, schedule: failing(phase, new Error('the cable')) });
    const group = engine.group('g');
    await group.open();
    await expect(group.write({ entries: [entry(1, 1)] })).rejects.toThrow(code('STORE_UNKNOWN_OUTCOME'));
    await expect(group.entries(1, 1, 0)).rejects.toThrow(code('STORE_POISONED'));
    await expect(engine.listGroups()).rejects.toThrow(code('STORE_POISONED'));
    await engine.close();
    await using next = openMemoryEngine({ disk });
    expect((await next.group('g').open()).lastIndex).toBe(last);
  });

  test('a refusal before the effect leaves the store usable', async () => {
    let fail = true;
    await using engine = openMemoryEngine({
      schedule: (operation) => {
        if (operation.name === 'write' && fail) throw new BalsaError('STORE_IO', 'no space');
      },
    });
    const group = engine.group('g');
    await group.open();
    await expect(group.write({ entries: [entry(1, 1)] })).rejects.toThrow(code('STORE_IO'));
    fail = false;
    await group.write({ entries: [entry(1, 1)] });
    expect(await group.entries(1, 2, 0)).toHaveLength(1);
  });
});
