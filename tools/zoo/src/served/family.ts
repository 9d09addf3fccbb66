/** Stores whose data a server holds: the server is what is killed, watched and starved. */
import type { ZooFamily } from '@balsa/test-suite/zoo';
import { servedTarget } from './target.ts';

export const servedFamily: ZooFamily = {
  name: 'a server with files',
  correct: [servedTarget('served file')],
  animals: [
    {
      bug: 'is a server that acknowledges before it syncs',
      cite: 'Redis with appendfsync everysec acknowledges up to a second before the sync',
      killer: 'power/what-was-acknowledged-survives',
      target: servedTarget('served file, synced late', 'sync behind the acknowledgement'),
    },
    {
      bug: 'is a server that acknowledges although its sync failed',
      cite: 'PostgreSQL and the fsync errors of Linux, 2018: a failed sync was taken for none',
      killer: 'faults/sync-error',
      target: servedTarget('served file, sync errors ignored', 'sync errors ignored'),
    },
  ],
};
