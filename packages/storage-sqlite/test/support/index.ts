/** What the tests share. */
import type { Engine } from '@balsa/raft-core';
import { TestHome, env } from '@balsa/storage-kit/testing';
import type { SqliteEngineOptions } from '@balsa/storage-sqlite';
import { afterEach } from 'vitest';
import { openInMode } from './mode.ts';

export { inThreadOnly, openInMode, rounds, worker } from './mode.ts';
export { entries, entry, env, key, openGroup } from '@balsa/storage-kit/testing';

const home = new TestHome(afterEach, 'balsa-sqlite-');

export const { temporaryDirectory } = home;

/** Opens an engine that is closed when the test ends, if it is not before. */
export async function openEngine(
  directory: string,
  options: Partial<SqliteEngineOptions> = {},
): Promise<Engine> {
  return home.closing(await openInMode({ directory, env, ...options }));
}
