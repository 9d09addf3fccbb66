/** SQLite with its syncs switched off, which says that it is strict: what many a wrapper of SQLite does unknowingly. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createNodeEnv } from '@balsa/raft-node';
import { openSqliteEngine } from '@balsa/storage-sqlite';

export async function openUnsynced({ directory }) {
  const engine = await openSqliteEngine({
    directory,
    env: createNodeEnv(),
    durability: 'relaxed',
    synchronous: 'OFF',
  });
  const capabilities = { ...engine.capabilities, durability: 'strict', watermarkLag: 1024 };
  return new Proxy(engine, {
    get(target, property) {
      if (property === 'capabilities') return capabilities;
      const value = Reflect.get(target, property, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

export const target = {
  name: 'unsynced',
  abilities: ['files', 'child'],
  create: async () => {
    const directory = await mkdtemp(path.join(tmpdir(), 'balsa-unsynced-'));
    return {
      directory,
      open: () => openUnsynced({ directory }),
      files: async () =>
        (await readdir(directory, { recursive: true, withFileTypes: true }))
          .filter((entry) => entry.isFile())
          .map((entry) => path.join(entry.parentPath, entry.name)),
      child: { module: import.meta.url, export: 'openUnsynced', argument: { directory } },
      destroy: () => rm(directory, { recursive: true, force: true }),
    };
  },
};
