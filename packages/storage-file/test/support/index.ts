/** What the tests share. */
import type { Engine } from '@balsa/raft-core';
import { TestHome, env } from '@balsa/storage-kit/testing';
import { openFileEngine, type FileEngineOptions } from '@balsa/storage-file';
import { afterEach } from 'vitest';

export { entries, entry, env, key, openGroup } from '@balsa/storage-kit/testing';

const home = new TestHome(afterEach, 'balsa-file-');

export const { temporaryDirectory } = home;

/** Opens an engine that is closed when the test ends, if it is not before. */
export async function openEngine(
  directory: string,
  options: Partial<FileEngineOptions> = {},
): Promise<Engine> {
  return home.closing(await openFileEngine({ directory, env, ...options }));
}
