/** storage-file on a broken file system, opened in this process or in a child that a case starts. */
import type { Engine } from '@balsa/raft-core';
import { createNodeEnv } from '@balsa/raft-node';
import { openFileEngine, socketLock } from '@balsa/storage-file';
import { override } from '@balsa/test-suite/zoo';
import { brokenFileSystem, type FaultName } from './broken-file-system.ts';
import { openWithMistake, type MistakeName } from './mistakes.ts';

/** Survives JSON. */
export interface FilePlace {
  readonly directory: string;
  readonly fault?: FaultName;
  readonly mistake?: MistakeName;
  readonly lags?: Lags;
}

/** Writes by which the watermark may trail: those it is opened with, and those that the store says. */
export interface Lags {
  readonly kept: number;
  readonly said: number;
}

export async function openFileStore({ directory, fault, mistake, lags }: FilePlace): Promise<Engine> {
  const open = async (): Promise<Engine> => {
    const engine = await openFileEngine({
      directory,
      env: createNodeEnv(),
      lock: socketLock,
      segmentBytes: 64 * 1024,
      ...(fault !== undefined && { fs: brokenFileSystem(fault) }),
      ...(lags !== undefined && { watermarkLag: lags.kept }),
    });
    if (lags === undefined) return engine;
    return override(engine, { capabilities: { ...engine.capabilities, watermarkLag: lags.said } });
  };
  return mistake === undefined ? open() : openWithMistake(mistake, directory, open);
}
