/** A compaction replaces files while somebody looks at them. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { bytesOfFiles, type Looks } from '../src/directory-size.ts';
import { temporaryDirectory } from './support/index.ts';

/** Files that are replaced by `after` once their names were read `times` times. */
function replaced(before: Record<string, number>, after: Record<string, number>, times: number) {
  let looks = 0;
  let files = before;
  const fake: Looks = {
    readdir: async () => {
      const names = Object.keys(files);
      if (++looks <= times) files = after;
      return names;
    },
    stat: async (path) => {
      const size = files[path.slice(path.lastIndexOf('/') + 1)];
      if (size === undefined) throw Object.assign(new Error('gone'), { code: 'ENOENT' });
      return { size };
    },
  };
  return { fake, looks: () => looks };
}

describe('the size of a directory', () => {
  test('is not missed when a compaction ends between the names and the sizes', async () => {
    const { fake, looks } = replaced(
      { '1.sst': 500, '2.sst': 500, '3.log': 1 },
      { '4.sst': 900, '3.log': 1 },
      1,
    );
    expect(await bytesOfFiles('/db', fake)).toBe(901);
    expect(looks()).toBe(2);
  });

  test('is told after a bounded number of looks where a file never stays', async () => {
    let looks = 0;
    const fake: Looks = {
      readdir: async () => [`${String(++looks)}.sst`, 'kept'],
      stat: async (path) => {
        if (!path.endsWith('kept')) throw Object.assign(new Error('gone'), { code: 'ENOENT' });
        return { size: 7 };
      },
    };
    expect(await bytesOfFiles('/db', fake)).toBe(7);
    expect(looks).toBe(100);
  });

  test('of what cannot be looked at is an error that says why', async () => {
    await expect(bytesOfFiles(join(temporaryDirectory(), 'none'))).rejects.toMatchObject({
      code: 'STORE_IO',
      cause: { code: 'ENOENT' },
    });
    const fake: Looks = {
      readdir: async () => ['1.sst'],
      stat: () => Promise.reject(Object.assign(new Error('denied'), { code: 'EACCES' })),
    };
    await expect(bytesOfFiles('/db', fake)).rejects.toMatchObject({
      code: 'STORE_IO',
      cause: { code: 'EACCES' },
    });
  });
});
