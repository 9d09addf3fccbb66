import { readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  expectedGolden,
  fixtures,
  packFixture,
  readGolden,
  unpackFixture,
  writeGolden,
} from './support/golden.ts';
import { openEngine, temporaryDirectory } from './support/index.ts';

describe('a golden fixture', () => {
  test.each(readdirSync(fixtures))('%s is opened, and holds what it held', async (name) => {
    const directory = temporaryDirectory();
    unpackFixture(name, directory);
    const engine = await openEngine(directory);
    expect(await readGolden(engine)).toEqual(expectedGolden());
    await engine.close();
    expect(await readGolden(await openEngine(directory))).toEqual(expectedGolden());
  });

  test('can be written anew, and holds the same', async () => {
    const directory = temporaryDirectory();
    const engine = await openEngine(directory);
    await writeGolden(engine);
    await engine.close();
    const name = process.env['BALSA_WRITE_FIXTURE'];
    if (name !== undefined) packFixture(directory, name);
    expect(await readGolden(await openEngine(directory))).toEqual(expectedGolden());
  });
});
