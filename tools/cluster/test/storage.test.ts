import { describe, expect, test } from 'vitest';
import { planStorages } from '../src/node-storage.ts';

describe('storages of a cluster', () => {
  test('one name is for all nodes, and several are one for each', async () => {
    expect((await planStorages('file', {}, 3)).map(({ name }) => name)).toEqual(['file', 'file', 'file']);
    expect((await planStorages('sqlite, redis,file', {}, 3)).map(({ name }) => name)).toEqual([
      'sqlite',
      'redis',
      'file',
    ]);
    await expect(planStorages('sqlite,redis', {}, 3)).rejects.toThrow(
      /one for each; "sqlite,redis" names 2$/,
    );
  });

  test('each engine gets the options that it knows', async () => {
    const options = { worker: 'true', watermarkLag: '5' };
    expect(await planStorages('sqlite,file', options, 2)).toEqual([
      { name: 'sqlite', options },
      { name: 'file', options: { watermarkLag: '5' } },
    ]);
  });

  test('an option that none knows is refused, and so is a wrong value, before anything starts', async () => {
    await expect(planStorages('sqlite,file', { wroker: 'true' }, 2)).rejects.toThrow(
      /^none of sqlite, file has an option wroker; there are: worker, /,
    );
    await expect(planStorages('file', { watermarkLag: 'much' }, 2)).rejects.toThrow(
      /is a whole number, not "much"$/,
    );
  });
});
