/** What a run must have seen. A run that proves nothing about a fault is no proof that the fault is survived. */
import { faultsOf } from '../plan.ts';
import { snapshotInPartition } from '../world/cluster.ts';
import type { Totals } from './totals.ts';

/** Of so many seeds, each thing must happen so often. */
export const fullRun = { seeds: 5000, each: 1000, events: 20_000, partitionedShare: 0.05 } as const;

/** Below so many seeds a run shows nothing about what is rare. */
export const leastSeeds = 200;

/** Messages between members, and between a core and its node. */
const messages: readonly string[] = [
  'MsgProp',
  'MsgApp',
  'MsgAppResp',
  'MsgVote',
  'MsgVoteResp',
  'MsgSnap',
  'MsgHeartbeat',
  'MsgHeartbeatResp',
  'MsgUnreachable',
  'MsgSnapStatus',
  'MsgTransferLeader',
  'MsgTimeoutNow',
  'MsgReadIndex',
  'MsgReadIndexResp',
  'MsgPreVote',
  'MsgPreVoteResp',
  'MsgStorageAppend',
  'MsgStorageAppendResp',
  'MsgStorageApply',
  'MsgStorageApplyResp',
].map((name) => `message ${name}`);

const states: readonly string[] = [
  'becomes StateFollower',
  'becomes StatePreCandidate',
  'becomes StateCandidate',
  'becomes StateLeader',
  'leader steps down',
  'leadership transferred',
  'node starts',
  'node stops by itself',
  'membership',
  'joint membership',
  'voter added',
  'voter demoted',
  'learner added',
  'learner promoted',
  'member removed',
  'compaction',
  'snapshot creating done',
  'snapshot sending done',
  'snapshot sending failed',
  'snapshot receiving done',
  'snapshot receiving failed',
  'snapshot restoring done',
  snapshotInPartition,
  'store recovers a write under way',
  'store recovers a restore under way',
].map((name) => `state ${name}`);

const clients: readonly string[] = [
  'ok',
  'refused',
  'unknown',
  'tries again',
  'stops waiting',
  'gives up',
].map((name) => `client ${name}`);

/** What the world does to a node beyond what a fault is named for. */
const mishaps: readonly string[] = [
  'failed call',
  'call without space',
  'call cut off',
  'lost write',
  'torn write',
  'snapshot disturbed',
].map((name) => `fault ${name}`);

/** What runs of a profile must show: the default one everything, others the faults that they are made of. */
function expectedOf({ profile }: Totals): readonly string[] {
  const faults = faultsOf(profile).map((name) => `fault ${name}`);
  return profile === 'swarm' ? [...faults, ...mishaps, ...messages, ...states, ...clients] : faults;
}

/** Whether a run is large enough to be held to the bars. */
export function isJudged(totals: Totals): boolean {
  return totals.seeds >= leastSeeds && totals.fewestEvents >= fullRun.events;
}

/** Where a run falls short, in words; each bar is scaled to the number of seeds, so that a part of a run tells of the whole. */
export function shortfalls(totals: Totals): string[] {
  const { seeds, coverage, seedsWith, profile, violations } = totals;
  const found: string[] = [];
  const least = (fullRun.each * seeds) / fullRun.seeds;
  for (const name of expectedOf(totals)) {
    const count = coverage[name] ?? 0;
    if (count < least) found.push(`${name}: ${count} times, of at least ${least.toFixed(0)}`);
  }
  if (faultsOf(profile).includes('partition')) {
    const with_ = seedsWith[`state ${snapshotInPartition}`] ?? 0;
    const wanted = seeds * fullRun.partitionedShare;
    if (with_ < wanted)
      found.push(`seeds with a ${snapshotInPartition}: ${with_}, of at least ${wanted.toFixed(0)}`);
  }
  if (violations.length > 0) found.push(`violations: ${violations.length}`);
  return found;
}
