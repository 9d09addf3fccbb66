/**
 * The starter store: one JSON file, without syncs, checksums and watermark, which it says. Told that it has them, it
 * is what a first store of one's own often is.
 */
import type { StorageCapabilities } from '@balsa/raft-core';
import type { Target } from '@balsa/test-suite';
import type { Animal, ZooFamily } from '@balsa/test-suite/zoo';
import { builtBeside, directoryTarget } from '../place.ts';
import { openStarter } from './open.ts';

function starterTarget(name: string, claims?: Partial<StorageCapabilities>): Target {
  return directoryTarget({
    name,
    argument: (directory) => ({ directory, ...(claims !== undefined && { claims }) }),
    open: openStarter,
    module: builtBeside(import.meta.url, 'open.js'),
    exported: 'openStarter',
    orderedStore: false,
  });
}

/** As its own target gives it: with no files and no child, since it has neither syncs nor checksums yet. */
const asItIs: Target = {
  name: 'starter',
  orderedStore: false,
  create: async () => {
    const place = await starterTarget('starter').create();
    return { open: () => place.open(), destroy: () => place.destroy() };
  },
};

function claiming(bug: string, claims: Partial<StorageCapabilities>, killer: string, cite: string): Animal {
  return { bug, cite, killer, target: starterTarget(`starter, ${bug}`, claims) };
}

const strict = { durability: 'strict' } as const;
const noticing = { ...strict, watermarkLag: 8 };
const rot = 'storage.md: SQLite gave a page with one flipped bit in it as data, and called the file sound';

export const starterFamily: ZooFamily = {
  name: 'the starter',
  correct: [asItIs, starterTarget('relaxed starter with files')],
  animals: [
    claiming(
      'says that it is durable, writes a temporary and renames it, and syncs neither file nor directory',
      strict,
      'power/what-was-acknowledged-survives',
      'databendlabs/openraft examples/sm-rocks: written with fs::write, neither synced nor renamed',
    ),
    claiming(
      'says that it is durable, and is halved by a power cut',
      strict,
      'power/a-cut-at-any-moment-halves-nothing',
      'ext4 and the zero-length files after a rename, 2009',
    ),
    claiming(
      'keeps what it has read and not synced',
      strict,
      'power/open-makes-durable-what-it-reports',
      'etcd-io/etcd: the log is synced when it is opened, before anything is promised of it',
    ),
    claiming(
      'has no checksum, and serves what a flipped bit has made of its data',
      noticing,
      'corruption/a-flipped-bit',
      rot,
    ),
    claiming(
      'says that it notices lost writes, and takes an older file for the present one',
      noticing,
      'corruption/missing-older-and-exchanged-files',
      'hashicorp/raft-wal README: a lost tail file cannot be detected',
    ),
    claiming(
      'says that it notices lost writes, and notices none',
      noticing,
      'capabilities/watermark-bounds-the-loss',
      'SQLite, RocksDB and Redis reopen without a word after a flipped bit in the middle of their logs',
    ),
    claiming(
      'says that it notices lost votes, and notices none',
      noticing,
      'capabilities/watermark-covers-votes',
      'databendlabs/openraft docs/protocol/io_ordering.md: a vote that is lost makes two leaders',
    ),
    claiming(
      'says that it is not persistent, and is',
      { persistent: false },
      'capabilities/persistent-means-files',
      'hashicorp/raft MonotonicLogStore: a capability that nobody checks is believed',
    ),
    claiming(
      'says that it takes entries of 1000 bytes at most, and takes larger ones',
      { maxEntryBytes: 1000 },
      'large/beyond-the-limit',
      'dragonboat: a limit that is stated and not enforced is met by whoever restores the snapshot',
    ),
  ],
};
