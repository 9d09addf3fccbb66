/** Bringing a member to life from what its store holds. */
import { restoreConf } from './conf-change/restore.ts';
import { ReadOnlyOption, validateConfig, type RaftConfig, type RaftInitialState } from './config.ts';
import type { ConfChangeOutcome } from './conf-change/changer.ts';
import { BalsaError, isBalsaError } from './errors.ts';
import { switchToConfig } from './membership.ts';
import { hex } from './names.ts';
import { Raft } from './raft.ts';
import { traceNode } from './trace.ts';
import { sameConfState } from './validate-message.ts';
import { None, type ConfState } from './types.ts';

/** A follower in the stored term. Throws `INVALID_CONFIG` for a configuration or a state that cannot be. */
export function createRaft(config: RaftConfig, initial: RaftInitialState): Raft {
  validateConfig(config);
  const raft = new Raft(config, initial.outline);
  restoreMembership(raft, initial.confState);
  loadHardState(raft, initial);
  loadApplied(raft, config.applied);
  traceNode(raft, 'InitState');
  raft.becomeFollower(raft.term, None);
  if (raft.infoOn) {
    const { committed, applied, lastIndex, lastTerm } = raft.log;
    const peers = raft.tracker.voterNodes().map(hex).join(',');
    const log = `commit: ${String(committed)}, applied: ${String(applied)}, lastindex: ${String(lastIndex)}, lastterm: ${String(lastTerm)}`;
    raft.info(`newRaft ${raft.name} [peers: [${peers}], term: ${String(raft.term)}, ${log}]`);
  }
  return raft;
}

function restoreMembership(raft: Raft, stored: ConfState): void {
  let outcome: ConfChangeOutcome;
  try {
    outcome = restoreConf(raft.log.lastIndex, raft.tracker, stored);
  } catch (cause) {
    if (!isBalsaError(cause)) throw cause;
    throw new BalsaError('INVALID_CONFIG', `the stored membership is impossible: ${cause.message}`, {
      cause,
    });
  }
  const restored = switchToConfig(raft, outcome);
  if (sameConfState(restored, stored)) return;
  throw new BalsaError('INVALID_CONFIG', 'the stored membership must be sorted and free of contradictions', {
    details: { stored, restored },
  });
}

function loadHardState(raft: Raft, initial: RaftInitialState): void {
  const { term, vote, commit } = initial.hardState;
  if (commit > raft.log.lastIndex) {
    throw new BalsaError(
      'INVALID_CONFIG',
      `hardState.commit ${String(commit)} must be within the log, which ends at ${String(raft.log.lastIndex)}`,
    );
  }
  raft.term = term;
  raft.vote = vote;
  if (term > 0 && raft.config.readOnlyOption === ReadOnlyOption.LeaseBased)
    raft.graceTicks = raft.config.electionTick;
  // What is compacted was committed, even if the stored commit index trails.
  raft.log.commitTo(commit);
}

function loadApplied(raft: Raft, applied: number): void {
  if (applied === 0) return;
  const { committed, applied: base } = raft.log;
  if (applied < base || applied > committed) {
    throw new BalsaError(
      'INVALID_CONFIG',
      `applied must be within [${String(base)}, ${String(committed)}], from the log's boundary to its commit index, but is ${String(applied)}`,
    );
  }
  raft.log.appliedTo(applied, 0);
}
