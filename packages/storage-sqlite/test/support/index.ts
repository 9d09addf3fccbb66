/** What the tests share. */
import type { Engine } from '@balsa/raft-core';
import { TestHome, env } from '@balsa/storage-kit/testing';
import { openSqliteEngine, type SqliteEngineOptions } from '@balsa/storage-sqlite';
import { afterEach } from 'vitest';

export { entries, entry, env, key, openGroup } from '@balsa/storage-kit/testing';

const home = new TestHome(afterEach, 'balsa-sqlite-');

export const { temporaryDirectory } = home;

/** Opens an engine that is closed when the test ends, if it is not before. */
export async function openEngine(
  directory: string,
  options: Partial<SqliteEngineOptions> = {},
): Promise<Engine> {
  return home.closing(await openSqliteEngine({ directory, env, ...options }));
}
