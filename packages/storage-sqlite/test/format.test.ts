import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { crc32 } from 'node:zlib';
import Database from 'better-sqlite3';
import { verifySqliteStore } from '@balsa/storage-sqlite';
import {
  expectedGolden,
  packFixture,
  readGolden,
  unpackFixture,
  writeGolden,
} from '@balsa/test-suite/golden';
import { describe, expect, test } from 'vitest';
import { Child } from './support/child.ts';
import { env, openEngine, openInMode, temporaryDirectory } from './support/index.ts';

const fixtures = fileURLToPath(new URL('fixtures', import.meta.url));

describe('a golden fixture', () => {
  test.each(readdirSync(fixtures))('%s is opened, and holds what it held', async (name) => {
    const directory = temporaryDirectory();
    unpackFixture(join(fixtures, name), directory);
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
    if (name !== undefined) packFixture(directory, join(fixtures, name), ['owner.db']);
    expect(await readGolden(await openEngine(directory))).toEqual(expectedGolden());
  });
});

const formatOf = (directory: string): unknown => {
  const db = new Database(join(directory, 'log.db'), { readonly: true });
  try {
    return db.prepare(`SELECT value FROM meta WHERE key = 'format'`).pluck().get();
  } finally {
    db.close();
  }
};

function filesOf(directory: string): Record<string, string> {
  const names = readdirSync(directory).filter((name) => /\.(db|mark)$|^watermark$/.test(name));
  return Object.fromEntries(
    names.map((name) => [name, readFileSync(join(directory, name)).toString('base64')]),
  );
}

/** Every change in a run for every change would take a minute: BALSA_UPGRADE_STEP=1 tries each, the default every fourth. */
const stride = Number(process.env['BALSA_UPGRADE_STEP'] ?? 4);
const strace = spawnSync('strace', ['-V']).status === 0;

describe('an older format', () => {
  test('is left alone by verifying, and brought up to date by opening', async () => {
    const directory = temporaryDirectory();
    unpackFixture(join(fixtures, 'format-1'), directory);
    const before = filesOf(directory);
    expect(await verifySqliteStore({ directory, env })).toMatchObject({ nodeId: 2 });
    expect(filesOf(directory)).toEqual(before);
    const engine = await openEngine(directory);
    await engine.close();
    expect(formatOf(directory)).toBe('3');
    expect(readdirSync(directory)).toContain('state-1.db.mark');
    expect(await verifySqliteStore({ directory, env })).toMatchObject({ nodeId: 2 });
  });

  test.skipIf(!strace)(
    `killed at any step of the upgrade goes on with all it held${strace ? '' : ' (NOT RUN: strace is not installed; apt-get install strace)'}`,
    async () => {
      let killed = 0;
      for (const call of ['pwrite64', 'fdatasync', 'fsync', 'rename', 'unlink']) {
        for (let when = 1; ; when += call === 'pwrite64' ? 4 * stride : stride) {
          const directory = temporaryDirectory();
          unpackFixture(join(fixtures, 'format-1'), directory);
          const inject = `inject=${call}:signal=SIGKILL:when=${String(when)}`;
          const child = new Child('upgrade', directory, [
            'strace',
            '-f',
            '-qq',
            '-o',
            '/dev/null',
            '-e',
            inject,
          ]);
          await child.ended();
          if (child.lines.includes('upgraded')) break;
          killed++;
          const engine = await openEngine(directory);
          expect(await readGolden(engine), `${call} ${String(when)}`).toEqual(expectedGolden());
          await engine.close();
          expect(formatOf(directory)).toBe('3');
        }
      }
      expect(killed).toBeGreaterThan(5);
    },
  );
});

describe('a later format', () => {
  test('of the log is refused with both numbers, and left as it was', async () => {
    const directory = temporaryDirectory();
    unpackFixture(join(fixtures, 'format-3'), directory);
    const db = new Database(join(directory, 'log.db'));
    db.prepare(`UPDATE meta SET value = '4', crc = ? WHERE key = 'format'`).run(
      crc32('4', crc32('format\0')),
    );
    db.close();
    const before = filesOf(directory);
    const opening = openInMode({ directory, env });
    await expect(opening).rejects.toMatchObject({
      code: 'STORE_FORMAT_VERSION',
      details: { version: 4, newest: 3 },
    });
    expect(filesOf(directory)).toEqual(before);
  });
});
