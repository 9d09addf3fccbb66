import {
  BalsaError,
  type OrderedStore,
  type Storage,
  type StorageCapabilities,
  type StoreIdentity,
} from '@balsa/raft-core';
import { AdapterEngine, assertFits, counter, type EngineCore } from '@balsa/storage-kit';
import { describe, expect, test } from 'vitest';

const capabilities: StorageCapabilities = {
  engine: 'list',
  engineVersion: '1',
  persistent: false,
  durability: 'strict',
  watermarkLag: 1,
  maxEntryBytes: 1000,
};
const identity: StoreIdentity = {
  clusterId: 'c'.repeat(16),
  nodeId: 1,
  incarnation: 'i'.repeat(16),
  maxEntryBytes: 1000,
};

/** A core that notes what is asked of it. Its parts can do nothing but close. */
class ListCore implements EngineCore {
  readonly capabilities = capabilities;
  readonly asked: string[] = [];
  readonly failing = new Set<string>();
  stored: StoreIdentity | undefined;
  alive = true;

  check(): void {
    if (!this.alive) throw new BalsaError('STORE_POISONED', 'a sync failed');
  }

  identity(): StoreIdentity | undefined {
    return this.stored;
  }

  async stamp(decide: () => StoreIdentity): Promise<void> {
    await Promise.resolve();
    this.stored = decide();
  }

  groupIds(): Iterable<string> {
    return ['b', 'a\u{10000}', 'a\uffff', 'B'];
  }

  newGroup(id: string, onClose: () => void): Storage {
    return this.#part(id, onClose) as Storage;
  }

  async destroyGroup(id: string): Promise<void> {
    this.asked.push(`destroy ${id}`);
  }

  storeNames(): Iterable<string> {
    return ['kv', 'a\u{10000}', 'a\uffff'];
  }

  newStore(name: string, onClose: () => void): OrderedStore {
    return this.#part(name, onClose) as OrderedStore;
  }

  async close(): Promise<void> {
    this.asked.push('close');
  }

  #part(name: string, onClose: () => void): { close(): Promise<void> } {
    return {
      close: async () => {
        this.asked.push(`close ${name}`);
        onClose();
        if (this.failing.has(name)) throw new BalsaError('STORE_IO', `cannot close ${name}`);
      },
    };
  }
}

function open(): { readonly core: ListCore; readonly engine: AdapterEngine } {
  const core = new ListCore();
  return { core, engine: new AdapterEngine(core) };
}

describe('the outside of an engine', () => {
  test('one object a name until it is closed, groups and stores apart', async () => {
    const { engine } = open();
    const group = engine.group('g');
    expect(engine.group('g')).toBe(group);
    expect(engine.orderedStore('g')).not.toBe(group);
    await group.close();
    expect(engine.group('g')).not.toBe(group);
  });

  test.each(['', 'x'.repeat(257)])('a name of no or too many units is refused', async (name) => {
    const { engine, core } = open();
    const refusal = expect.objectContaining({ code: 'INVALID_ARGUMENT' }) as Error;
    expect(() => engine.group(name)).toThrow(refusal);
    expect(() => engine.orderedStore(name)).toThrow(refusal);
    await expect(engine.destroyGroup(name)).rejects.toThrow(refusal);
    expect(core.asked).toEqual([]);
  });

  test('an open group is not destroyed, a closed one is', async () => {
    const { engine, core } = open();
    const group = engine.group('g');
    await expect(engine.destroyGroup('g')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await group.close();
    await engine.destroyGroup('g');
    expect(core.asked).toEqual(['close g', 'destroy g']);
  });

  test('groups are listed by code unit', async () => {
    expect(await open().engine.listGroups()).toEqual(['B', 'a\u{10000}', 'a\uffff', 'b']);
    expect(await open().engine.listOrderedStores()).toEqual(['a\u{10000}', 'a\uffff', 'kv']);
  });

  test('an identity is stamped once, judged when its turn has come, and has to fit', async () => {
    const { engine } = open();
    await expect(engine.stamp({ ...identity, maxEntryBytes: 1001 })).rejects.toMatchObject({
      code: 'STORE_ENTRY_TOO_LARGE',
    });
    const [first, second] = await Promise.allSettled([
      engine.stamp(identity),
      engine.stamp({ ...identity, nodeId: 2 }),
    ]);
    expect(first.status).toBe('fulfilled');
    expect(second).toMatchObject({ reason: { code: 'STORE_ALREADY_BOOTSTRAPPED', details: { nodeId: 1 } } });
    expect(await engine.identity()).toEqual(identity);
    expect(() => {
      assertFits(identity, 999);
    }).toThrow(expect.objectContaining({ code: 'STORE_ENTRY_TOO_LARGE' }));
  });

  test('closing closes the parts, then the core, once, whatever a part says; then it says it', async () => {
    const { engine, core } = open();
    core.failing.add('g');
    engine.group('g');
    engine.orderedStore('s');
    const outcomes = await Promise.allSettled([engine.close(), engine.close()]);
    for (const outcome of outcomes) expect(outcome).toMatchObject({ reason: { code: 'STORE_IO' } });
    expect(core.asked).toEqual(['close g', 'close s', 'close']);
    expect(() => engine.group('g')).toThrow(expect.objectContaining({ code: 'STORE_CLOSED' }));
  });

  test("the core's own refusal comes first", async () => {
    const { engine, core } = open();
    core.alive = false;
    expect(() => engine.group('g')).toThrow(expect.objectContaining({ code: 'STORE_POISONED' }));
    await expect(engine.identity()).rejects.toMatchObject({ code: 'STORE_POISONED' });
  });

  test('numbers go on behind the highest that is taken', () => {
    const next = counter([3, 9, 4]);
    expect([next(), next(), counter([])()]).toEqual([10, 11, 1]);
  });
});
