/** Options that engines share, under the same name and with the same meaning. */
import type { EngineOptionSpec } from './options.ts';

export const commonOptions: Readonly<
  Record<'durability' | 'maxEntryBytes' | 'watermarkLag' | 'maxViews', EngineOptionSpec>
> = {
  durability: {
    type: 'choice',
    choices: ['strict', 'relaxed'],
    meaning: 'strict: a resolved write survives a power cut (the default); relaxed: it may not',
  },
  maxEntryBytes: { type: 'bytes', meaning: 'largest entry (default 8mb)' },
  watermarkLag: { type: 'count', meaning: 'acknowledged writes that the synced watermark may trail by' },
  maxViews: { type: 'count', meaning: 'views open at once, of each ordered store' },
};
