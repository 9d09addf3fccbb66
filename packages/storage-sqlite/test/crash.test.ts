import {
  readFileSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
  copyFileSync,
  mkdirSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Child } from './support/child.ts';
import { env, openEngine, openInMode, rounds, temporaryDirectory } from './support/index.ts';
import { seededRandom } from './support/random.ts';

const kills = Math.min(200, Number(process.env['BALSA_CRASH_ROUNDS'] ?? rounds(15)));
const seed = Number(process.env['BALSA_SEED'] ?? 20261123);

function lastNumber(lines: readonly string[], word: string): number {
  const found = lines.findLast((line) => line.startsWith(`${word} `));
  return Number(found?.split(' ')[1] ?? 0);
}

/** Every acknowledged write is there, batches are whole, and the applied index fits. */
async function verify(
  directory: string,
  acknowledged: Readonly<Record<'ack' | 'term' | 'synced' | 'compacted', number>>,
): Promise<void> {
  const engine = await openInMode({ directory, env });
  try {
    const storage = engine.group('g');
    const state = await storage.open();
    expect(state.lastIndex).toBeGreaterThanOrEqual(acknowledged.ack);
    expect(state.hardState.term).toBeGreaterThanOrEqual(acknowledged.term);
    expect(state.firstIndex).toBeGreaterThan(acknowledged.compacted);
    expect(state.hardState.commit).toBe(state.lastIndex);
    const entries = await storage.entries(state.firstIndex, state.lastIndex + 1, Number.MAX_SAFE_INTEGER);
    expect(entries).toHaveLength(state.lastIndex - state.firstIndex + 1);
    const [, place, size] = new TextDecoder().decode(entries.at(-1)?.data).split(':').map(Number);
    if (entries.length > 0) expect(place).toBe((size ?? 0) - 1);
    const { appliedIndex } = await engine.orderedStore('kv').open();
    expect(appliedIndex).toBeGreaterThanOrEqual(acknowledged.synced);
    expect(appliedIndex).toBeLessThanOrEqual(state.lastIndex);
  } finally {
    await engine.close();
  }
}

describe('the death of the process', () => {
  test(
    `${String(kills)} times at a random moment loses nothing acknowledged and halves no batch (seed ${String(seed)})`,
    async () => {
      const random = seededRandom(seed);
      const directory = temporaryDirectory();
      for (let round = 0; round < kills; round++) {
        const child = new Child('work', directory);
        const count = 1 + Math.floor(random() * 150);
        await child.until((lines) => lines.length >= count);
        await child.kill();
        const { lines } = child;
        const term = Number(lines.findLast((line) => line.startsWith('ack '))?.split(' ')[2] ?? 0);
        await verify(directory, {
          ack: lastNumber(lines, 'ack'),
          term,
          synced: lastNumber(lines, 'synced'),
          compacted: lastNumber(lines, 'compacted'),
        });
      }
    },
    20_000 + kills * 5000,
  );

  test('in the middle of a snapshot and a restore leaves no temporaries after the next opening', async () => {
    const directory = temporaryDirectory();
    const child = new Child('unfinished', directory);
    await child.said('unfinished');
    await child.kill();
    expect(readdirSync(join(directory, 'snapshots'))).toHaveLength(1);
    const engine = await openEngine(directory);
    expect(readdirSync(join(directory, 'snapshots'))).toEqual([]);
    expect(readdirSync(directory).filter((name) => /^state-[0-9]+\.db$/.test(name))).toHaveLength(1);
    const store = engine.orderedStore('kv');
    expect(await store.open()).toEqual({ appliedIndex: 1 });
    expect(await store.count()).toBe(1);
  });

  test('a disk that refuses a commit makes the outcome unknown, poisons, and loses nothing acknowledged', async () => {
    const directory = temporaryDirectory();
    // A file size limit fails writes as a full disk does; the signal that comes with it is ignored.
    const child = new Child('exhaust', directory, [
      'bash',
      '-c',
      `trap '' XFSZ; ulimit -f 400; exec "$@"`,
      'limited',
    ]);
    await child.until((lines) => lines.some((line) => line.startsWith('read ')));
    await child.kill();
    expect(child.lines.filter((line) => !line.startsWith('ack '))).toEqual([
      'first STORE_UNKNOWN_OUTCOME',
      'then STORE_POISONED',
      'read STORE_POISONED',
    ]);
    const engine = await openEngine(directory);
    const state = await engine.group('g').open();
    expect(state.lastIndex).toBeGreaterThanOrEqual(lastNumber(child.lines, 'ack'));
    expect(state.hardState.term).toBe(1);
  });
});

describe('a write-ahead log that lost what was acknowledged', () => {
  async function filled(): Promise<string> {
    const directory = temporaryDirectory();
    const child = new Child('fill', directory);
    await child.said('filled');
    await child.kill();
    return directory;
  }

  test('truncated: opening is refused with the numbers, and nothing is changed', async () => {
    const directory = await filled();
    const wal = join(directory, 'log.db-wal');
    truncateSync(wal, Math.floor(readFileSync(wal).length / 2));
    const before = readFileSync(wal);
    for (let i = 0; i < 2; i++) {
      await expect(openInMode({ directory, env })).rejects.toMatchObject({
        code: 'STORE_ACKNOWLEDGED_WRITE_LOST',
        details: { acknowledged: 100 },
      });
    }
    expect(readFileSync(wal).equals(before)).toBe(true);
  });

  test('is told, not refused, in a store that was opened relaxed', async () => {
    const directory = await filled();
    truncateSync(join(directory, 'log.db-wal'), 60_000);
    const told: string[] = [];
    const log = { enabled: () => true, log: (_level: number, text: string): void => void told.push(text) };
    const engine = await openEngine(directory, { durability: 'relaxed', env: { ...env, log } });
    expect(told).toEqual([expect.stringMatching(/write 100 was acknowledged: [0-9]+ writes are lost/)]);
    expect(engine.capabilities.watermarkLag).toBe(Infinity);
    await engine.close();
    await openEngine(directory);
  });

  test('gone, with or without log.db: opening is refused', async () => {
    const directory = await filled();
    rmSync(join(directory, 'log.db-wal'));
    await expect(openInMode({ directory, env })).rejects.toMatchObject({
      code: 'STORE_ACKNOWLEDGED_WRITE_LOST',
    });
    rmSync(join(directory, 'log.db'));
    await expect(openInMode({ directory, env })).rejects.toMatchObject({
      code: 'STORE_ACKNOWLEDGED_WRITE_LOST',
    });
  });

  test(`with one bit flipped: refused, or every entry is there (seed ${String(seed)})`, async () => {
    const random = seededRandom(seed);
    const source = await filled();
    const wal = readFileSync(join(source, 'log.db-wal'));
    const outcomes = new Map<string, number>();
    for (let i = 0; i < rounds(40); i++) {
      const directory = temporaryDirectory();
      mkdirSync(join(directory, 'snapshots'));
      for (const name of ['log.db', 'watermark']) copyFileSync(join(source, name), join(directory, name));
      const damaged = Buffer.from(wal);
      const offset = Math.floor(random() * damaged.length);
      damaged[offset] = (damaged[offset] ?? 0) ^ (1 << Math.floor(random() * 8));
      writeFileSync(join(directory, 'log.db-wal'), damaged);
      const outcome = await readAll(directory);
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }
    expect(
      [...outcomes.keys()].filter(
        (outcome) => !['whole', 'STORE_ACKNOWLEDGED_WRITE_LOST', 'STORE_CORRUPT'].includes(outcome),
      ),
    ).toEqual([]);
    expect(outcomes.get('STORE_ACKNOWLEDGED_WRITE_LOST')).toBeGreaterThan(rounds(20));
  });

  test('a watermark that is missing or of another store is refused', async () => {
    const directory = await filled();
    const other = temporaryDirectory();
    await (await openEngine(other)).close();
    copyFileSync(join(other, 'watermark'), join(directory, 'watermark'));
    await expect(openInMode({ directory, env })).rejects.toMatchObject({ code: 'STORE_CORRUPT' });
    rmSync(join(directory, 'watermark'));
    await expect(openInMode({ directory, env })).rejects.toMatchObject({ code: 'STORE_CORRUPT' });
  });
});

async function readAll(directory: string): Promise<string> {
  try {
    const engine = await openInMode({ directory, env });
    try {
      const storage = engine.group('g');
      const { lastIndex } = await storage.open();
      await storage.entries(1, lastIndex + 1, Number.MAX_SAFE_INTEGER);
      return lastIndex === 300 ? 'whole' : `only ${String(lastIndex)}`;
    } finally {
      await engine.close();
    }
  } catch (error) {
    return typeof error === 'object' && error !== null && 'code' in error
      ? String(error.code)
      : String(error);
  }
}
