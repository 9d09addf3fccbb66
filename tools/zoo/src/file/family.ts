/** storage-file as it would be if it were careless with its files: what power cuts and faults show. */
import type { Animal, ZooFamily } from '@balsa/test-suite/zoo';
import { builtBeside, directoryTarget } from '../place.ts';
import type { Target } from '@balsa/test-suite';
import type { FaultName } from './broken-file-system.ts';
import type { MistakeName } from './mistakes.ts';
import { openFileStore, type FilePlace, type Lags } from './open.ts';

function fileTarget(name: string, broken: Omit<FilePlace, 'directory'> = {}): Target {
  return directoryTarget({
    name,
    argument: (directory) => ({ directory, ...broken }),
    open: openFileStore,
    module: builtBeside(import.meta.url, 'open.js'),
    exported: 'openFileStore',
  });
}

function careless(bug: string, fault: FaultName, killer: string, cite: string): Animal {
  return { bug, cite, killer, target: fileTarget(`file, ${fault}`, { fault }) };
}

function hiding(bug: string, mistake: MistakeName, killer: string, cite: string): Animal {
  return { bug, cite, killer, target: fileTarget(`file, ${mistake}`, { mistake }) };
}

function overstating(bug: string, lags: Lags, cite: string): Animal {
  const target = fileTarget(`file, ${bug}`, { lags });
  return { bug, cite, killer: 'power/watermark-trails-within-its-lag', target };
}

const linuxSyncs =
  'PostgreSQL and the fsync errors of Linux, 2018: a sync that failed, tried again, succeeds and is a lie';

export const fileFamily: ZooFamily = {
  name: 'file',
  correct: [fileTarget('file')],
  animals: [
    careless(
      'writes its log and never syncs anything',
      'no sync',
      'power/what-was-acknowledged-survives',
      'better-sqlite3 in WAL mode as it comes: 0 syncs in 50 commits',
    ),
    careless(
      'syncs all its files but the log',
      'no sync of the log',
      'power/what-was-acknowledged-survives',
      'rocksdb-native 3.18.1: 50 writes, no sync among them',
    ),
    careless(
      'syncs the log after it has acknowledged',
      'sync behind the acknowledgement',
      'power/what-was-acknowledged-survives',
      'etcd-io/etcd#14370: an acknowledged write was lost',
    ),
    careless(
      'never syncs a directory, so that files and their new names vanish',
      'no sync of directories',
      'power/what-was-acknowledged-survives',
      'hashicorp/raft-wal, found by ALICE: the parent directory was never synced after the creation',
    ),
    careless(
      'replaces a file by writing over it instead of renaming',
      'rename by copying',
      'power/what-was-acknowledged-survives',
      'databendlabs/openraft examples/sm-rocks: a snapshot written in place, neither synced nor renamed',
    ),
    careless(
      'renames a file that it has not synced',
      'no sync of temporaries',
      'power/what-was-acknowledged-survives',
      'ext4 and the zero-length files after a rename, 2009',
    ),
    careless(
      'does not sync its snapshots',
      'no sync of snapshots',
      'power/what-was-acknowledged-survives',
      'hashicorp/raft file snapshots: state and directory are synced before the snapshot counts',
    ),
    careless(
      'reports a recovered tail that nobody has synced',
      'no sync of what was recovered',
      'power/open-makes-durable-what-it-reports',
      'etcd-io/etcd: the log is synced when it is opened, before anything is promised of it',
    ),
    careless(
      'never writes its watermark',
      'watermark not written',
      'capabilities/watermark-covers-votes',
      'SQLite, RocksDB and Redis reopen without a word after a flipped bit in the middle of their logs',
    ),
    careless(
      'writes its watermark and does not sync it',
      'no sync of the watermark',
      'power/watermark-survives-with-a-vote',
      'nats-server#7564: what is written and synced lazily is what a power cut takes',
    ),
    careless(
      'writes its watermark when it is closed in good order',
      'watermark written at the end',
      'capabilities/watermark-bounds-the-loss',
      'nats-server#7564: what is written lazily is not there when it is needed',
    ),
    overstating(
      'syncs its watermark for votes alone, and states a lag for other writes',
      { kept: Number.MAX_SAFE_INTEGER, said: 1024 },
      'nats-server#7564: what is written and synced lazily is what a power cut takes',
    ),
    overstating(
      'lets its watermark trail by one write more than it states',
      { kept: 18, said: 16 },
      'sofa-jraft#1188: the end of a range computed one entry short; here it is a bound',
    ),
    careless(
      'counts on from the watermark that it finds as if that were synced',
      'no sync of the watermark that was found',
      'power/watermark-trails-within-its-lag',
      'etcd-io/etcd: the log is synced when it is opened, before anything is promised of it',
    ),
    careless(
      'writes its watermark before it has synced the log',
      'watermark written before the sync of the log',
      'power/watermark-is-never-ahead',
      'files written one after the other reach the disk in any order: ALICE, OSDI 2014',
    ),
    careless(
      'makes the watermark of a vote durable before the vote',
      'watermark synced before the log',
      'power/watermark-is-never-ahead',
      'files synced one after the other are durable one before the other: ALICE, OSDI 2014',
    ),
    careless(
      'leaves what it died in the middle of on the disk',
      'temporaries stay',
      'crash/leftovers-are-removed',
      'tikv/tikv#10930: ten thousand snapshot files that nobody removed',
    ),
    careless('takes a failed sync for none', 'sync errors ignored', 'faults/sync-error', linuxSyncs),
    careless('tries a failed sync again', 'failed syncs tried again', 'faults/sync-error', linuxSyncs),
    careless(
      'takes a failed write for done',
      'write errors ignored',
      'faults/write-error',
      'canonical/raft tests of uv_append: a write that fails is told to whoever waits for it',
    ),
    careless(
      'takes a write for done that found no space',
      'full disks ignored',
      'faults/no-space',
      'baidu/braft#461: a full disk',
    ),
    hiding(
      'begins with an empty store when it finds the old one damaged',
      'begins anew',
      'corruption/a-flipped-bit',
      'rqlite and others advise to wipe the node that does not start; done by the node itself it votes twice',
    ),
    hiding(
      'serves a chunk of a snapshot that fails its checksum as an empty one',
      'gives empty chunks',
      'corruption/a-flipped-bit',
      'hashicorp/raft file snapshots: Open hashes the whole file again, because the disk cannot be believed',
    ),
    hiding(
      'begins its ordered store anew when the old one is damaged',
      'empties the ordered store',
      'corruption/a-truncated-file',
      'a cache that is rebuilt when it does not load; here it is the state that a compacted log counts on',
    ),
  ],
};
