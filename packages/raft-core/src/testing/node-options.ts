/** What a transcript may say of the nodes that it adds. */
import { ReadOnlyOption } from '../config.ts';
import { boolean, integer, refuse } from './command-args.ts';
import type { CommandArg } from './datadriven.ts';
import type { NodeOptions } from './transcript-node.ts';

function readOnlyOption(value: string | undefined): ReadOnlyOption {
  if (value === 'safe') return ReadOnlyOption.Safe;
  return value === 'lease-based'
    ? ReadOnlyOption.LeaseBased
    : refuse(`invalid read-only option '${String(value)}'`);
}

const optionReaders: Readonly<Record<string, (value: string | undefined) => NodeOptions>> = {
  inflight: (value) => ({ maxInflightMsgs: integer(value) }),
  index: (value) => ({ applied: integer(value) }),
  'async-storage-writes': (value) => ({ asyncStorageWrites: boolean(value) }),
  prevote: (value) => ({ preVote: boolean(value) }),
  checkquorum: (value) => ({ checkQuorum: boolean(value) }),
  'max-committed-size-per-ready': (value) => ({ maxCommittedSizePerReady: integer(value) }),
  'disable-conf-change-validation': (value) => ({ disableConfChangeValidation: boolean(value) }),
  'read-only': (value) => ({ readOnlyOption: readOnlyOption(value) }),
  'step-down-on-removal': (value) => ({ stepDownOnRemoval: boolean(value) }),
  // Ours, which etcd's transcripts do not set.
  'max-size-per-msg': (value) => ({ maxSizePerMsg: integer(value) }),
  'max-uncommitted-size': (value) => ({ maxUncommittedEntriesSize: integer(value) }),
  'max-inflight-bytes': (value) => ({ maxInflightBytes: integer(value) }),
  'entry-cache-bytes': (value) => ({ entryCacheBytes: integer(value) }),
  'entry-cache-applied': (value) => ({ entryCacheApplied: integer(value) }),
  'snapshot-timeout': (value) => ({ snapshotTimeoutTicks: integer(value) }),
  priority: (value) => ({ priority: integer(value) }),
  'batch-append': (value) => ({ batchAppend: boolean(value) }),
  'commit-by-vote': (value) => ({ commitByVote: boolean(value) }),
  'report-commit-index': (value) => ({ reportCommitIndex: boolean(value) }),
  'commit-by-read-index': (value) => ({ commitByReadIndex: boolean(value) }),
  'max-apply-unpersisted': (value) => ({ maxApplyUnpersistedLogLimit: integer(value) }),
  'min-election-tick': (value) => ({ minElectionTick: integer(value) }),
  'max-election-tick': (value) => ({ maxElectionTick: integer(value) }),
  'skip-bcast-commit': (value) => ({ skipBcastCommit: boolean(value) }),
};

/** What the arguments of `add-nodes` behind the count say. */
export function nodeOptions(args: readonly CommandArg[]): NodeOptions {
  let options: NodeOptions = {};
  for (const { key, values } of args) {
    const read = optionReaders[key];
    if (read !== undefined) options = { ...options, ...read(values[0]) };
    else if (!['voters', 'learners', 'content'].includes(key)) refuse(`unknown option ${key}`);
  }
  return options;
}
