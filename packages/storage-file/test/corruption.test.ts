import { readFileSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openFileEngine } from '@balsa/storage-file';
import { describe, expect, test } from 'vitest';
import { entries, env, openEngine, openGroup, temporaryDirectory } from './support/index.ts';
import { seededRandom } from './support/random.ts';

const seed = Number(process.env['BALSA_SEED'] ?? 1);

function segments(directory: string): string[] {
  return readdirSync(directory)
    .filter((name) => name.endsWith('.seg'))
    .sort()
    .map((name) => join(directory, name));
}

/** Twenty writes in some segments, closed. */
async function filled(): Promise<string> {
  const directory = temporaryDirectory();
  const engine = await openEngine(directory, { segmentBytes: 4096 });
  const storage = await openGroup(engine);
  for (let i = 1; i <= 20; i++) {
    await storage.write({
      entries: entries(i, 1, 1, 'x'.repeat(500)),
      hardState: { term: 1, vote: 1, commit: i },
    });
  }
  await engine.close();
  return directory;
}

async function outcome(directory: string): Promise<string> {
  try {
    const engine = await openFileEngine({ directory, env });
    try {
      const storage = engine.group('g');
      const { firstIndex, lastIndex } = await storage.open();
      const found = await storage.entries(firstIndex, lastIndex + 1, Infinity);
      return found.length === 20 && found.every((one) => one.data.length === 500) ? 'whole' : 'lost';
    } finally {
      await engine.close();
    }
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}

const lost = ['STORE_CORRUPT', 'STORE_ACKNOWLEDGED_WRITE_LOST'];

describe(`a damaged log (seed ${String(seed)})`, () => {
  test('one flipped bit, anywhere in a segment, never loses anything in silence', async () => {
    const directory = await filled();
    const random = seededRandom(seed);
    for (const path of segments(directory)) {
      const bytes = readFileSync(path);
      for (let i = 0; i < 40; i++) {
        const damaged = Buffer.from(bytes);
        const at = i === 0 ? 0 : i === 1 ? bytes.length - 1 : Math.floor(random() * bytes.length);
        damaged[at] = (damaged[at] ?? 0) ^ (1 << Math.floor(random() * 8));
        writeFileSync(path, damaged);
        const code = await outcome(directory);
        expect([...lost, 'STORE_FORMAT_VERSION'], `${path}, byte ${String(at)}`).toContain(code);
        writeFileSync(path, bytes);
      }
    }
    expect(await outcome(directory)).toBe('whole');
  });

  test('a log cut short anywhere is noticed', async () => {
    const directory = await filled();
    const last = segments(directory).at(-1) ?? '';
    const bytes = readFileSync(last);
    for (const size of [0, 10, 48, bytes.length >> 1, bytes.length - 1]) {
      truncateSync(last, size);
      expect(lost, `${String(size)} bytes`).toContain(await outcome(directory));
      expect(statSync(last).size, 'an opening that is refused changes nothing').toBe(size);
      writeFileSync(last, bytes);
    }
  });

  test('a missing segment is noticed', async () => {
    const directory = await filled();
    for (const path of segments(directory)) {
      const bytes = readFileSync(path);
      rmSync(path);
      expect(lost, path).toContain(await outcome(directory));
      writeFileSync(path, bytes);
    }
  });

  test('segments that changed places, or came from another store, are noticed', async () => {
    const [directory, other] = [await filled(), await filled()];
    const [one = '', two = ''] = segments(directory);
    const bytes = readFileSync(one);
    writeFileSync(one, readFileSync(two));
    expect(lost).toContain(await outcome(directory));
    writeFileSync(one, readFileSync(segments(other)[0] ?? ''));
    expect(lost).toContain(await outcome(directory));
    writeFileSync(one, bytes);
  });

  test('a log without its watermark is refused', async () => {
    const directory = await filled();
    rmSync(join(directory, 'watermark'));
    expect(await outcome(directory)).toBe('STORE_CORRUPT');
  });

  test('a bit that flips under an open store is never read as data', async () => {
    const directory = temporaryDirectory();
    const engine = await openEngine(directory);
    const storage = await openGroup(engine);
    await storage.write({ entries: entries(1, 3, 1, 'y'.repeat(100)) });
    const path = segments(directory)[0] ?? '';
    const bytes = readFileSync(path);
    bytes[bytes.length - 150] = (bytes[bytes.length - 150] ?? 0) ^ 4;
    writeFileSync(path, bytes);
    await expect(storage.entries(1, 4, Infinity)).rejects.toMatchObject({
      code: 'STORE_CORRUPT',
      details: { index: 2 },
    });
    expect(await storage.entries(1, 2, Infinity)).toHaveLength(1);
  });
});
