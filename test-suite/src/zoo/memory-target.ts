import type { Engine } from '@balsa/raft-core';
import { createMemoryDisk, openMemoryEngine } from '@balsa/raft-core/memory';
import type { Target } from '../target.ts';

/** Changes one engine after another on the same place; made anew for each place, so it may remember. */
export type Change = (engine: Engine) => Engine;

export interface MemoryTargetOptions {
  /** Of a durable write, before it counts. Default: none, which settles in the same turn. */
  readonly schedule?: () => Promise<void>;
}

/** The memory engine on a memory disk, each engine passed through a change. */
export function memoryTarget(
  name = 'memory',
  makeChange: () => Change = () => (engine) => engine,
  options: MemoryTargetOptions = {},
): Target {
  return {
    name,
    abilities: ['crash'],
    create: () => {
      const disk = createMemoryDisk();
      const change = makeChange();
      return Promise.resolve({
        open: async () => change(openMemoryEngine({ disk, ...options })),
        crash: () => {
          disk.crash();
          return Promise.resolve();
        },
        destroy: () => Promise.resolve(),
      });
    },
  };
}
