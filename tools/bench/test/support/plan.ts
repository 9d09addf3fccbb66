/** As little as there can be of everything: what is measured means nothing, but all of it is there. */
import type { Plan } from '../../src/plan.ts';

export const tinyPlan: Plan = {
  mode: 'quick',
  rounds: 2,
  sliceMs: 8,
  warmUpMs: 20,
  append: [
    { batch: 1, payloadBytes: 256, groups: 1 },
    { batch: 16, payloadBytes: 256, groups: 1 },
    { batch: 1, payloadBytes: 16, groups: 3 },
  ],
  rates: [500],
  loadedEntries: 300,
  repeats: 2,
  snapshotBytes: [65_536],
  onceFromBytes: 64 * 1024 * 1024,
  cluster: { clients: [1], warmUpMs: 100, measureMs: 50, rounds: 1, kills: 0, everyVariant: true },
  compaction: { cycles: 2, every: 128, keep: 64 },
};
