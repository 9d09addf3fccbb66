import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  expectedGolden,
  packFixture,
  readGolden,
  unpackFixture,
  writeGolden,
} from '@balsa/test-suite/golden';
import { describe, expect, test } from 'vitest';
import { Rocks } from '../src/binding.ts';
import { formatVersion, metaKey } from '../src/keys.ts';
import { seal } from '../src/records.ts';
import { openEngine, temporaryDirectory } from './support/index.ts';

const fixtures = fileURLToPath(new URL('fixtures', import.meta.url));

describe('a golden fixture', () => {
  test('there is one of the present format', () => {
    expect(readdirSync(fixtures)).toContain(`format-${String(formatVersion)}`);
  });

  test.each(readdirSync(fixtures))('%s is opened, and holds what it held', async (name) => {
    const directory = temporaryDirectory();
    unpackFixture(join(fixtures, name), directory);
    const engine = await openEngine(directory);
    expect(await readGolden(engine)).toEqual(expectedGolden());
    await engine.close();
    expect(await readGolden(await openEngine(directory, { worker: true }))).toEqual(expectedGolden());
  });

  // To make one: BALSA_WRITE_FIXTURE=format-N npx vitest run --project storage-rocksdb test/format.test.ts
  test('can be written anew, and holds the same', async () => {
    const directory = temporaryDirectory();
    const engine = await openEngine(directory);
    await writeGolden(engine);
    await engine.close();
    // Once more, so that a table holds it and the write-ahead log what an opening writes.
    await (await openEngine(directory)).close();
    const name = process.env['BALSA_WRITE_FIXTURE'];
    if (name !== undefined) packFixture(directory, join(fixtures, name), ['LOCK']);
    expect(await readGolden(await openEngine(directory))).toEqual(expectedGolden());
  });
});

/** Names and bytes of all files but locks, which have none. */
function filesOf(directory: string): Record<string, string> {
  const items = readdirSync(directory, { recursive: true, withFileTypes: true });
  return Object.fromEntries(
    items
      .filter((item) => item.isFile() && item.name !== 'LOCK')
      .map((item) => join(item.parentPath, item.name))
      .map((file) => [file, readFileSync(file).toString('base64')]),
  );
}

describe('another format', () => {
  test.each([
    ['a later one', formatVersion + 1],
    ['one before the first', 0],
    ['none that is a number', 'one'],
  ])('(%s) is refused with both, and left as it was', async (_what, version) => {
    const directory = temporaryDirectory();
    unpackFixture(join(fixtures, `format-${String(formatVersion)}`), directory);
    const rocks = await Rocks.open(join(directory, 'db'), { create: false, walLimitBytes: 1_000_000 });
    const batch = rocks.batch();
    const format = metaKey('format');
    batch.put(format, seal(format, version));
    batch.write({ sync: true });
    await rocks.close();
    const before = filesOf(directory);
    for (const worker of [false, true]) {
      await expect(openEngine(directory, { worker })).rejects.toMatchObject({
        code: 'STORE_FORMAT_VERSION',
        details: { version, newest: formatVersion },
      });
      expect(filesOf(directory)).toEqual(before);
    }
  });
});
