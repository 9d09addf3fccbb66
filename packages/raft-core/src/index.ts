/**
 * raft-core: the Raft algorithm as a pure state machine, and the contracts around it.
 * @packageDocumentation
 */
export * from './types.ts';
export * from './message.ts';
export * from './errors.ts';
export * from './invariants.ts';
export * from './outline.ts';
export * from './entry-size.ts';
export { plainEntry, ReceivedEntry } from './received-entry.ts';
export * from './checksum.ts';
export * from './bytes.ts';
export * from './config.ts';
export * from './core.ts';
export type { TraceConfChange, TraceEvent, TraceEventName, TraceMessage, Tracer } from './trace.ts';
export * from './raw-node.ts';
export * from './numbered-node.ts';
export { messageTypeName, stateTypeName } from './names.ts';
export { mustSync } from './ready.ts';
export { Changer, type ChangerOptions, type ConfChangeOutcome } from './conf-change/changer.ts';
export { restoreConf } from './conf-change/restore.ts';
export { JointConfig } from './quorum/joint.ts';
export { VoteResult, voteResultName } from './quorum/vote-result.ts';
export { groupCommitted, type GroupCommitted, type GroupOf } from './quorum/group-commit.ts';
export {
  ProgressTracker,
  formatTrackerConfig,
  type ProgressTrackerOptions,
  type Tally,
  type TrackerConfig,
} from './tracker/tracker.ts';
export type { Inflights } from './tracker/inflights.ts';
export type { Peer } from './bootstrap.ts';
export { statusToJson } from './status.ts';
export { describeConfChange } from './describe-conf-change.ts';
export { isLocalMsg, isLocalMsgTarget, isResponseMsg, voteRespMsgType } from './message-kinds.ts';
export * from './compare.ts';
export {
  describeConfState,
  describeEntries,
  describeEntry,
  describeHardState,
  describeMessage,
  describeMessages,
  describeReady,
  describeSnapshot,
  describeSoftState,
  describeTarget,
  type PayloadFormatter,
} from './describe.ts';
export { CommittedInfinity, MajorityConfig, majority, type AckedIndexer } from './quorum/majority.ts';
export { maxPendingReads } from './read-only.ts';
export type { Progress } from './tracker/progress.ts';
export * from './contracts/env.ts';
export * from './contracts/storage.ts';
export * from './contracts/engine.ts';
export * from './contracts/ordered-store.ts';
export * from './contracts/state-machine.ts';
export * from './contracts/transport.ts';
export * from './snapshot-format.ts';
export * from './conf-change/conf-change.ts';
export { encodeEntry, decodeEntry, entryEncodedSize } from './codec/entry.ts';
export { encodeMessage, decodeMessage, messageSize, maxDecodedEntries } from './codec/message.ts';
export { encodeConfChange, decodeConfChange, type ConfChangeProfile } from './codec/conf-change.ts';
export {
  encodeConfState,
  decodeConfState,
  encodeSnapshotMetadata,
  decodeSnapshotMetadata,
} from './codec/snapshot.ts';
