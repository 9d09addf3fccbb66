/** The options of a node in the words of the core. */
import { defaultConfig, type Env, type LogIndex, type RaftConfig, type Tracer } from '@balsa/raft-core';
import type { NodeSettings } from './options.ts';

export function coreConfig(
  settings: NodeSettings,
  env: Env,
  applied: LogIndex,
  tracer: Tracer | undefined,
): RaftConfig {
  const { limits } = settings;
  return {
    ...defaultConfig,
    id: settings.id,
    electionTick: settings.electionTick,
    heartbeatTick: settings.heartbeatTick,
    applied,
    maxSizePerMsg: limits.maxMessageBytes,
    maxCommittedSizePerReady: limits.maxApplyBytes,
    maxUncommittedEntriesSize: limits.maxUncommittedBytes,
    maxInflightMsgs: limits.maxInflightMessages,
    maxInflightBytes: Math.max(limits.maxInflightBytes, limits.maxMessageBytes),
    entryCacheBytes: limits.entryCacheBytes,
    entryCacheApplied: limits.entryCacheApplied,
    checkQuorum: settings.checkQuorum,
    preVote: settings.preVote,
    readOnlyOption: settings.readOnlyOption,
    // Forwarding is done beside the core, where its outcome can be told.
    disableProposalForwarding: true,
    asyncStorageWrites: true,
    // Without it a change of membership that only the one who lost its vote by it knows to be committed leaves nobody to lead.
    commitByVote: true,
    random: () => env.random(),
    logger: env.log,
    tracer,
  };
}
