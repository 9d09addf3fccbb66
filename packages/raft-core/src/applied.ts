/** What follows from entries or a snapshot being applied. */
import { entryOverheadBytes } from './entry-size.ts';
import { proposeAsLeader } from './proposal.ts';
import { formatTrackerConfig } from './tracker/tracker.ts';
import { isBalsaError } from './errors.ts';
import type { Raft } from './raft.ts';
import { EmptyBytes, Entry, EntryType, StateType, type LogIndex, type Snapshot } from './types.ts';

/** Everything up to `index` is applied; `bytes` of it were handed out as entries. */
export function appliedTo(raft: Raft, index: LogIndex, bytes: number): void {
  const applied = Math.max(index, raft.log.applied);
  raft.log.appliedTo(applied, bytes);
  leaveJointConfig(raft);
}

/**
 * Proposes to leave the joint configuration (thesis §4.3), when it is one to be left by itself and no change is on its
 * way. Tried again whenever something is applied, and once an election timeout: the proposal may be dropped, while
 * leadership is handed over for one, or be lost with a leader, and a cluster at rest applies nothing. The empty change has
 * no effect once the configuration is left.
 */
export function leaveJointConfig(raft: Raft): void {
  const due = raft.tracker.config.autoLeave && raft.state === StateType.Leader;
  if (!due || raft.log.applied < raft.pendingConfIndex) return;
  const config = formatTrackerConfig(raft.tracker.config);
  try {
    proposeAsLeader(raft, [new Entry(0, 0, EntryType.ConfChangeV2, EmptyBytes)]);
  } catch (error) {
    if (!isBalsaError(error, 'PROPOSAL_DROPPED')) throw error;
    if (raft.debugOn)
      raft.debug(
        `not initiating automatic transition out of joint configuration ${config}: ${error.message}`,
      );
    return;
  }
  if (raft.infoOn) raft.info(`initiating automatic transition out of joint configuration ${config}`);
}

/** These entries, handed out to be applied, are. */
export function appliedEntries(raft: Raft, entries: readonly Entry[]): void {
  const last = entries[entries.length - 1];
  if (last === undefined) return;
  const bytes = raft.log.sizeOf(entries);
  appliedTo(raft, last.index, bytes);
  raft.releaseUncommitted(bytes - entries.length * entryOverheadBytes);
}

/** A received snapshot is installed in the log and restored into the state machine. */
export function appliedSnapshot(raft: Raft, snapshot: Snapshot): void {
  const { index } = snapshot.metadata;
  raft.log.unstable.stableSnapshotTo(index);
  appliedTo(raft, index, 0);
}
