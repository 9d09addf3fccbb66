/** What comes back of other types than it went in, or otherwise than by a promise: plain JavaScript lets it pass. */
import { closeSync, openSync } from 'node:fs';
import { BalsaError, Entry, type Storage } from '@balsa/raft-core';
import { inGroups } from './override.ts';
import type { Mutant } from './mutant.ts';

/** Entries as they are read, with numbers of another type in them. */
const reading = (change: (entry: Entry) => Entry): Mutant['change'] => {
  return () =>
    inGroups((storage) => ({
      entries: async (low, high, maxBytes) => (await storage.entries(low, high, maxBytes)).map(change),
    }));
};

const as = (convert: (value: number) => unknown) => (value: number) => convert(value) as number;
const asBigInt = as(BigInt);
const asText = as(String);

const bigInts =
  'better-sqlite3 with defaultSafeIntegers, and @types of it: an integer comes back as a BigInt';
const texts = 'ioredis and node-redis: numbers come back as text, and "9" + 1 is "91"';

export const valueMutants: readonly Mutant[] = [
  {
    bug: 'gives indexes and terms as BigInt',
    cite: bigInts,
    killer: 'append/extends',
    change: reading(
      ({ term, index, type, data, context }) =>
        new Entry(asBigInt(term), asBigInt(index), type, data, context),
    ),
  },
  {
    bug: 'gives indexes and terms as text',
    cite: texts,
    killer: 'append/extends',
    change: reading(
      ({ term, index, type, data, context }) => new Entry(asText(term), asText(index), type, data, context),
    ),
  },
  {
    bug: 'gives the type of an entry as text, so that no membership change is known for one',
    cite: texts,
    killer: 'append/types-and-context',
    change: reading(
      ({ term, index, type, data, context }) =>
        new Entry(term, index, asText(type) as Entry['type'], data, context),
    ),
  },
  {
    bug: 'does not say how long its syncs take',
    cite: 'tikv/raftstore: a slow disk is found by this figure, and NaN is below every bound',
    killer: 'scale/stats-count',
    change: () =>
      inGroups((storage) => ({
        stats: async () => ({ ...(await storage.stats()), lastSyncMs: undefined as unknown as number }),
      })),
  },
  {
    bug: 'closes no file of a snapshot that was read',
    cite: 'etcd-io/etcd and dragonboat: a leak that shows after days, as EMFILE in whatever opens next',
    killer: 'close/snapshots-leave-no-files-open',
    change: () => {
      const leaked: number[] = [];
      return inGroups((storage) => ({
        openSnapshot: async (id) => {
          const reader = await storage.openSnapshot(id);
          leaked.push(openSync(process.execPath, 'r'));
          return reader;
        },
        close: async () => {
          // Those of the zoo itself: the process goes on.
          for (const file of leaked.splice(0)) closeSync(file);
          await storage.close();
        },
      }));
    },
  },
  {
    bug: 'throws at once what it should reject with',
    cite: 'Node.js: a function that both throws and rejects is caught by neither .catch nor a late await',
    killer: 'calls/give-promises',
    change: () =>
      inGroups((storage) => ({
        entries: (low, high, maxBytes) => {
          if (low < 1) throw new BalsaError('STORE_COMPACTED', `there is no entry ${String(low)}`);
          return storage.entries(low, high, maxBytes);
        },
      })),
  },
  {
    bug: 'returns at once, without a promise, where there is nothing to do',
    cite: 'leveldb bindings and their callbacks: sometimes at once and sometimes later is neither',
    killer: 'calls/give-promises',
    change: () =>
      inGroups((storage) => ({
        compactTo: ((index: number) =>
          index === 0 ? undefined : storage.compactTo(index)) as Storage['compactTo'],
      })),
  },
];
