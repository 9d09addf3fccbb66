import { isSocketLocked } from '@balsa/storage-kit';
import { directoryPlace } from './adapter.ts';
import { commonOptions } from './common-options.ts';
import type { EngineDefinition } from './definition.ts';

export const file: EngineDefinition = {
  name: 'file',
  description: 'plain files in the directory',
  persistent: true,
  optionSpecs: {
    ...commonOptions,
    segmentBytes: { type: 'bytes', meaning: 'size of a segment of the log beyond which the next is begun' },
  },
  isOpen: isSocketLocked,
  prepare: async (place, options) =>
    directoryPlace('file', place, options, {
      notData: /(^|[-.])(lock|owner)/,
      advice: 'run "npm ci"',
      load: async () => (await import('@balsa/storage-file')).openFileEngine,
    }),
};
