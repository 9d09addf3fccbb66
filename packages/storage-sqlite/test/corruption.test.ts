import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  entries,
  env,
  key,
  openEngine,
  openGroup,
  openInMode,
  rounds,
  temporaryDirectory,
} from './support/index.ts';
import { seededRandom } from './support/random.ts';

const seed = Number(process.env['BALSA_SEED'] ?? 20261123);

/** Everything that a reader can see, as text, or the code that it is refused with. */
async function look(directory: string): Promise<string> {
  try {
    const engine = await openInMode({ directory, env });
    try {
      const storage = engine.group('g');
      const { hardState, confState, outline, firstIndex, lastIndex } = await storage.open();
      const log = await storage.entries(firstIndex, lastIndex + 1, Number.MAX_SAFE_INTEGER);
      const store = engine.orderedStore('kv');
      const applied = await store.open();
      const pairs = await store.range({ limit: 10_000 });
      const texts = pairs.map((pair) => [
        Buffer.from(pair.key).toString(),
        Buffer.from(pair.value).toString(),
      ]);
      const identity = await engine.identity();
      const seen = {
        hardState,
        confState,
        outline,
        log,
        applied,
        count: await store.count(),
        texts,
        identity,
        groups: await engine.listGroups(),
      };
      return JSON.stringify(seen);
    } finally {
      await engine.close();
    }
  } catch (error) {
    if (typeof error === 'object' && error !== null && 'code' in error) return String(error.code);
    throw error;
  }
}

async function prepare(): Promise<string> {
  const directory = temporaryDirectory();
  const engine = await openEngine(directory);
  await engine.stamp({
    clusterId: '0123456789abcdef',
    nodeId: 1,
    incarnation: 'fedcba9876543210',
    maxEntryBytes: 1_000_000,
  });
  const storage = await openGroup(engine);
  await storage.write({
    entries: entries(1, 150, 1, new Uint8Array(200).fill(7)),
    hardState: { term: 1, vote: 1, commit: 100 },
  });
  await storage.write({
    entries: entries(120, 20, 2, new Uint8Array(6000).fill(8)),
    hardState: { term: 2, vote: 1, commit: 110 },
  });
  await storage.compactTo(10);
  const store = engine.orderedStore('kv');
  await store.open();
  const changes = Array.from(
    { length: 500 },
    (_, i) => [key(`key-${String(i)}`), key(`value-${String(i)}`.repeat(1 + (i % 40)))] as const,
  );
  await store.write({ changes, appliedIndex: 100 });
  await store.sync();
  await engine.close();
  return directory;
}

describe('a flipped bit', () => {
  test.each(['log.db', 'state-1.db', 'watermark'])(
    `anywhere in %s is an error, or changes nothing that can be read (seed ${String(seed)})`,
    async (name) => {
      const random = seededRandom(seed);
      const directory = await prepare();
      const whole = await look(directory);
      const path = join(directory, name);
      let refused = 0;
      const names = ['log.db', 'state-1.db', 'watermark'];
      const saved = names.map(
        (file) => [join(directory, file), readFileSync(join(directory, file))] as const,
      );
      for (let i = 0; i < rounds(60); i++) {
        for (const [file, bytes] of saved) writeFileSync(file, bytes);
        const bytes = readFileSync(path);
        const offset = Math.floor(random() * bytes.length);
        bytes[offset] = (bytes[offset] ?? 0) ^ (1 << Math.floor(random() * 8));
        writeFileSync(path, bytes);
        const seen = await look(directory);
        if (seen === whole) continue;
        expect(seen, `bit at ${String(offset)}`).toMatch(/^STORE_/);
        refused++;
      }
      // The watermark is two small slots in an almost empty file; everywhere else most bits matter.
      if (name !== 'watermark') expect(refused).toBeGreaterThan(rounds(20));
    },
  );

  test('in the payload of an entry is STORE_CORRUPT naming the index', async () => {
    const directory = temporaryDirectory();
    const engine = await openEngine(directory);
    const storage = await openGroup(engine);
    await storage.write({ entries: entries(1, 20) });
    await engine.close();
    const path = join(directory, 'log.db');
    const bytes = readFileSync(path);
    const at = bytes.indexOf('data-13');
    expect(at).toBeGreaterThan(0);
    bytes[at + 2] = (bytes[at + 2] ?? 0) ^ 4;
    writeFileSync(path, bytes);
    const again = await openEngine(directory);
    const damaged = await openGroup(again);
    await expect(damaged.entries(1, 21, 1e9)).rejects.toMatchObject({
      code: 'STORE_CORRUPT',
      details: { index: 13 },
    });
    expect(await damaged.entries(1, 13, 1e9)).toHaveLength(12);
  });

  async function pairs(): Promise<string> {
    const directory = temporaryDirectory();
    const engine = await openEngine(directory);
    const store = engine.orderedStore('kv');
    await store.open();
    const changes = [
      [key('a'), key('fine')],
      [key('b'), key('precious value')],
    ] as const;
    await store.write({ changes, appliedIndex: 1 });
    await engine.close();
    return directory;
  }

  function harm(directory: string): void {
    const path = join(directory, 'state-1.db');
    const bytes = readFileSync(path);
    const at = bytes.indexOf('precious');
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    writeFileSync(path, bytes);
  }

  test('in the value of a pair is STORE_CORRUPT at the opening', async () => {
    const directory = await pairs();
    harm(directory);
    await expect(openInMode({ directory, env })).rejects.toMatchObject({
      code: 'STORE_CORRUPT',
      details: { key: Buffer.from('b').toString('hex') },
    });
  });

  test('in the value of a pair under an open store is STORE_CORRUPT, in a range, a view and a get', async () => {
    const directory = await pairs();
    const again = (await openEngine(directory)).orderedStore('kv');
    harm(directory);
    await again.open();
    const view = await again.view();
    await expect(again.range({ limit: 9 })).rejects.toMatchObject({ code: 'STORE_CORRUPT' });
    await expect(view.range({ limit: 9 })).rejects.toMatchObject({ code: 'STORE_CORRUPT' });
    await expect(again.getMany([key('b')])).rejects.toMatchObject({ code: 'STORE_CORRUPT' });
    expect(await again.getMany([key('a')])).toEqual([key('fine')]);
  });
});

describe('an older log.db put back', () => {
  test('is noticed by the watermark', async () => {
    const directory = temporaryDirectory();
    const first = await openEngine(directory);
    await (await openGroup(first)).write({ entries: entries(1, 5) });
    await first.close();
    const old = readFileSync(join(directory, 'log.db'));
    const second = await openEngine(directory);
    await (await openGroup(second)).write({ entries: entries(6, 5) });
    await second.close();
    writeFileSync(join(directory, 'log.db'), old);
    await expect(openInMode({ directory, env })).rejects.toMatchObject({
      code: 'STORE_ACKNOWLEDGED_WRITE_LOST',
    });
  });
});
