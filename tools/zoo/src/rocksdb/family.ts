/** storage-rocksdb as it would be if it used RocksDB carelessly. */
import type { Target } from '@balsa/test-suite';
import type { Animal, ZooFamily } from '@balsa/test-suite/zoo';
import { builtBeside, directoryTarget } from '../place.ts';
import type { ChangeName } from './changes.ts';
import { openRocksdbStore } from './open.ts';

function rocksdbTarget(name: string, change?: ChangeName): Target {
  return directoryTarget({
    name,
    argument: (directory) => ({ directory, ...(change !== undefined && { change }) }),
    open: openRocksdbStore,
    module: builtBeside(import.meta.url, 'open.js'),
    exported: 'openRocksdbStore',
  });
}

function careless(bug: string, change: ChangeName, killer: string, cite: string): Animal {
  return { bug, cite, killer, target: rocksdbTarget(`rocksdb, ${change}`, change) };
}

export const rocksdbFamily: ZooFamily = {
  name: 'rocksdb',
  correct: [rocksdbTarget('rocksdb')],
  animals: [
    careless(
      'writes its batches without a sync',
      'batches without a sync',
      'power/what-was-acknowledged-survives',
      '@nxtedition/rocksdb 12.2.12: put and del drop the option, 0 syncs in 20 writes',
    ),
    careless(
      'syncs entries, and takes a vote for less',
      'votes without a sync',
      'power/what-was-acknowledged-survives',
      'dragonboat: state and entries go into one synced batch',
    ),
    careless(
      'puts each key by itself instead of all in one batch',
      'puts instead of a batch',
      'crash/killed-at-every-step',
      'tikv/raft-engine#288: half of a rewrite is found after a crash',
    ),
    careless(
      'deletes the range on the wrong side of a compaction',
      'range deleted on the wrong side',
      'scale/cycles-stay-flat',
      'sofa-jraft#1187: the bounds of a truncation computed wrongly',
    ),
    careless(
      'writes indexes into its keys as decimal text',
      'decimal keys',
      'append/decimal-lengths',
      'hashicorp/raft-boltdb and TiKV: keys are big-endian, so that they sort as numbers',
    ),
    careless(
      'lets the last key of a truncated suffix survive',
      'last key survives a truncation',
      'reopen/no-ghost-tail',
      'databendlabs/openraft examples/log-rocks: the range to delete excludes the last key',
    ),
    careless(
      'ends a range one entry too early',
      'range one entry too short',
      'read/every-range',
      'sofa-jraft#1188: the end of a range computed one entry short',
    ),
    careless(
      'reads the applied index of a view before it takes the view of the pairs',
      'view taken before its pairs',
      'ordered/view-is-a-point-in-time',
      'redisraft#42: the index of a snapshot and what the snapshot holds do not fit',
    ),
  ],
};
