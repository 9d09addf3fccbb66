/** storage-file on a broken file system, opened in this process or in a child that a case starts. */
import type { Engine } from '@balsa/raft-core';
import { createNodeEnv } from '@balsa/raft-node';
import { openFileEngine, socketLock } from '@balsa/storage-file';
import { brokenFileSystem, type FaultName } from './broken-file-system.ts';
import { openWithMistake, type MistakeName } from './mistakes.ts';

/** Survives JSON. */
export interface FilePlace {
  readonly directory: string;
  readonly fault?: FaultName;
  readonly mistake?: MistakeName;
}

export async function openFileStore({ directory, fault, mistake }: FilePlace): Promise<Engine> {
  const open = (): Promise<Engine> =>
    openFileEngine({
      directory,
      env: createNodeEnv(),
      lock: socketLock,
      segmentBytes: 64 * 1024,
      ...(fault !== undefined && { fs: brokenFileSystem(fault) }),
    });
  return mistake === undefined ? open() : openWithMistake(mistake, directory, open);
}
