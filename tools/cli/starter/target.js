/** What the conformance suite is pointed at: `npx balsa conformance ./target.js`. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openMyEngine } from './store.js';

/** @type {import('@balsa/test-suite').Target} */
export const target = {
  name: 'my store',
  // TODO: once data are synced and checksummed, say abilities: ['files', 'child'] and give them below;
  // then the levels crash, power, corruption and faults apply.
  orderedStore: false,
  create: async () => {
    const directory = await mkdtemp(path.join(tmpdir(), 'my-store-'));
    return {
      directory,
      open: () => openMyEngine({ directory }),
      destroy: () => rm(directory, { recursive: true, force: true }),
    };
  },
};
