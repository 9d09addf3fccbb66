/** The leader takes proposals (paper §5.3; membership changes: thesis §4.1 and §4.3). */
import { asV2 } from './conf-change/conf-change.ts';
import { describeConfChange } from './describe-conf-change.ts';
import { decodeConfChange } from './codec/conf-change.ts';
import { BalsaError, isBalsaError } from './errors.ts';
import { hex } from './names.ts';
import { planConfChange } from './membership.ts';
import { broadcastAppend } from './replication.ts';
import { traceChangeConf } from './trace.ts';
import { formatTrackerConfig } from './tracker/tracker.ts';
import type { Raft } from './raft.ts';
import { Entry, EntryType, None, type ConfChange, type ConfChangeV2, type LogIndex } from './types.ts';

export function proposalDropped(why: string): BalsaError {
  return new BalsaError('PROPOSAL_DROPPED', why);
}

/** Appends `proposed` and sends it. Throws `PROPOSAL_DROPPED` or `STEP_INVALID_MESSAGE`, with nothing changed. */
export function proposeAsLeader(raft: Raft, proposed: readonly Entry[]): void {
  if (raft.tracker.of(raft.id) === undefined) {
    // Removed from the cluster while leading: what it would append could not be counted.
    throw proposalDropped(`node ${raft.name} is no longer a member`);
  }
  if (raft.leadTransferee !== None) {
    if (raft.debugOn) {
      raft.debug(
        `${raft.name} [term ${String(raft.term)}] transfer leadership to ${hex(raft.leadTransferee)} is in progress; dropping proposal`,
      );
    }
    throw proposalDropped(`leadership is being transferred to ${hex(raft.leadTransferee)}`);
  }
  const pendingBefore = raft.pendingConfIndex;
  const entries = hasConfChange(proposed) ? checkConfChanges(raft, proposed) : proposed;
  if (!raft.appendEntries(entries)) {
    raft.pendingConfIndex = pendingBefore;
    raft.warn(
      `${raft.name} appending new entries to log would exceed uncommitted entry size limit; dropping proposal`,
    );
    throw proposalDropped(
      `uncommitted entries would exceed ${String(raft.config.maxUncommittedEntriesSize)} bytes`,
    );
  }
  broadcastAppend(raft);
}

function hasConfChange(entries: readonly Entry[]): boolean {
  for (let i = 0; i < entries.length; i++) {
    const type = entries[i]?.type ?? EntryType.Normal;
    if (type !== EntryType.Normal) return true;
  }
  return false;
}

/**
 * Replaces changes that the membership does not allow by empty entries. This check is a courtesy, made on
 * what is applied so far; safety does not rest on it but on changes taking effect one at a time, when applied.
 */
function checkConfChanges(raft: Raft, proposed: readonly Entry[]): readonly Entry[] {
  const changes = proposed.map((entry) => decode(entry));
  let pending: LogIndex = raft.pendingConfIndex;
  const entries = proposed.map((entry, i) => {
    const change = changes[i];
    if (change === undefined) return entry;
    const refusal = refuseConfChange(raft, asV2(change), pending);
    if (refusal !== undefined && !raft.config.disableConfChangeValidation) {
      if (raft.infoOn) {
        const config = formatTrackerConfig(raft.tracker.config);
        raft.info(
          `${raft.name} ignoring conf change ${describeConfChange(change)} at config ${config}: ${refusal}`,
        );
      }
      return new Entry(0, 0);
    }
    pending = raft.log.lastIndex + i + 1;
    traceChangeConf(raft, asV2(change));
    return entry;
  });
  raft.pendingConfIndex = pending;
  return entries;
}

function refuseConfChange(raft: Raft, change: ConfChangeV2, pending: LogIndex): string | undefined {
  const { applied } = raft.log;
  if (pending > applied) {
    return `possible unapplied conf change at index ${String(pending)} (applied to ${String(applied)})`;
  }
  const joint = raft.tracker.config.voters.outgoing.size > 0;
  const leaves = change.changes.length === 0;
  if (joint && !leaves) return 'must transition out of joint config first';
  if (!joint && leaves) return 'not in joint state; refusing empty conf change';
  // No change lies between this membership and the one at which the proposal would apply: what fails here
  // would fail there, on every member, with the entry committed.
  try {
    planConfChange(raft, change);
    return undefined;
  } catch (error) {
    if (!isBalsaError(error, 'CONF_CHANGE_INVALID')) throw error;
    return error.message;
  }
}

function decode(entry: Entry): ConfChange | undefined {
  if (entry.type === EntryType.Normal) return undefined;
  try {
    return decodeConfChange(entry.type, entry.data);
  } catch (cause) {
    if (!isBalsaError(cause)) throw cause;
    throw new BalsaError(
      'STEP_INVALID_MESSAGE',
      `a proposed membership change cannot be decoded: ${cause.message}`,
      { cause },
    );
  }
}
