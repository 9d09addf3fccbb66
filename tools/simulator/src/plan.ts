/** What one seed does: sizes, settings and faults, drawn from the seed within a profile. */
import { Chance } from './world/chance.ts';

/** Everything that can go wrong. */
export const faultNames = [
  'loss',
  'duplicate',
  'reorder',
  'partition',
  'isolate',
  'one-way',
  'clog',
  'disconnect',
  'kill',
  'power',
  'blackout',
  'pause',
  'slow-disk',
  'stalled-disk',
  'failing-disk',
  'full-disk',
  'flip',
  'misdirect',
  'wipe',
  'skew',
  'jump',
  'transfer',
  'membership',
  'delay',
  'strand',
  'late',
  'swizzle',
  'fade',
  'seesaw',
] as const;
export type FaultName = (typeof faultNames)[number];

export const profileNames = [
  'swarm',
  'calm',
  'network',
  'storage',
  'membership',
  'snapshot',
  'lease',
] as const;
export type ProfileName = (typeof profileNames)[number];

export interface Plan {
  readonly seed: number;
  readonly profile: ProfileName;
  /** Voters at first. */
  readonly nodes: number;
  readonly clients: number;
  readonly keys: number;
  /** Events of the phase of faults. */
  readonly events: number;
  readonly faults: readonly FaultName[];
  /** Events between faults, on average. Not time: a busy cluster does in seconds what a lame one does in minutes. */
  readonly faultEveryEvents: number;
  readonly preVote: boolean;
  readonly checkQuorum: boolean;
  readonly leaseReads: boolean;
  /** The state machine loses its state with the process. */
  readonly volatileState: boolean;
  readonly electionTick: number;
  readonly heartbeatTick: number;
  readonly syncMs: readonly [number, number];
  readonly latencyMs: readonly [number, number];
  readonly loss: number;
  readonly duplicate: number;
  readonly reorder: number;
  /** Chance that a message stays on its way for up to seconds, past others, elections and restarts. */
  readonly late: number;
  /** Nobody is told that a path is cut: what is sent is lost in silence, as it is until a connection times out. */
  readonly silentCuts: boolean;
  /** Pre-vote is on here and off there, and changes when a node starts again, as while a setting is rolled out. */
  readonly mixedPreVote: boolean;
  /** Only a quorum comes back at first when the faults end, where the faults allow. */
  readonly coreFirst: boolean;
  readonly checkEveryEntries: number;
  readonly keepEntries: number;
  /** Of a chunk of a snapshot. */
  readonly chunkBytes: number;
  readonly segmentBytes: number;
  readonly maintainEveryMs: number;
  /** Space is given back when entries are replaced, and hardly ever else: until then there is much to give. */
  readonly tidies: boolean;
  readonly watermarkLag: number;
  readonly maxMessageBytes: number;
  readonly maxInflightMessages: number;
  readonly entryCacheBytes: number;
  readonly thinkMs: number;
  readonly valueBytes: number;
  /** Changes that the state machine gathers before it writes them. */
  readonly gatherChanges: number;
}

const network: readonly FaultName[] = [
  'loss',
  'duplicate',
  'reorder',
  'partition',
  'isolate',
  'one-way',
  'clog',
  'disconnect',
  'delay',
  'strand',
  'late',
  'swizzle',
  'fade',
  'seesaw',
];
const process: readonly FaultName[] = ['kill', 'power', 'blackout', 'pause'];
const disks: readonly FaultName[] = [
  'slow-disk',
  'stalled-disk',
  'failing-disk',
  'full-disk',
  'flip',
  'misdirect',
  'wipe',
];
const clocks: readonly FaultName[] = ['skew', 'jump'];

/** Faults that a profile draws from, and the chance that one of them is part of a seed. */
const profiles: Readonly<
  Record<ProfileName, { readonly faults: readonly FaultName[]; readonly chance: number }>
> = {
  swarm: { faults: faultNames, chance: 0.5 },
  calm: { faults: [], chance: 1 },
  network: { faults: [...network, 'pause', 'transfer', 'kill'], chance: 0.7 },
  storage: { faults: [...disks, ...process, 'isolate', 'strand', 'seesaw', 'membership'], chance: 0.7 },
  membership: {
    faults: [
      'membership',
      'transfer',
      'partition',
      'isolate',
      'swizzle',
      'strand',
      'loss',
      'late',
      'kill',
      'power',
      'wipe',
    ],
    chance: 0.8,
  },
  snapshot: {
    faults: [
      'isolate',
      'partition',
      'swizzle',
      'strand',
      'clog',
      'late',
      'kill',
      'power',
      'disconnect',
      'membership',
      'loss',
    ],
    chance: 0.8,
  },
  lease: { faults: [...network, ...clocks, 'transfer', 'kill', 'pause'], chance: 0.6 },
};

export function faultsOf(profile: ProfileName): readonly FaultName[] {
  return profiles[profile].faults;
}

/**
 * With many operations to an event little time passes, and elections take time. But a lease that is trusted for too long
 * shows only to who reads just then.
 */
function thinking(profile: ProfileName): readonly [number, number] {
  if (profile === 'swarm') return [2, 200];
  return profile === 'lease' ? [2, 100] : [8, 1500];
}

/** What the user asked for, or shrinking tries. */
export interface PlanOptions {
  readonly profile: ProfileName;
  readonly nodes?: number;
  readonly clients?: number;
  readonly events?: number;
  readonly without?: readonly FaultName[];
}

export function makePlan(seed: number, options: PlanOptions): Plan {
  const chance = Chance.of(seed, 'plan');
  const { profile } = options;
  const { faults, chance: share } = profiles[profile];
  // Drawn for every fault, so that leaving one out does not change the others.
  const drawn = faultNames.filter((name) => {
    const taken = chance.happens(share);
    return taken && faults.includes(name) && options.without?.includes(name) !== true;
  });
  const snapshots = chance.happens(0.6) || profile === 'snapshot' || drawn.includes('strand');
  const low = chance.between(0.2, 3);
  // From a stream of its own: the other seeds do what they would do without it.
  const tidies = Chance.of(seed, 'tidying').happens(0.4);
  const damage = drawn.includes('flip') || drawn.includes('misdirect');
  return {
    seed,
    profile,
    // With two, all depends on each.
    nodes:
      options.nodes ??
      chance.pick(profile === 'membership' ? [3, 3, 2, 2, 4, 5, 5, 1, 2] : [3, 3, 3, 3, 4, 5, 5, 1, 2]),
    clients: options.clients ?? 2 + chance.below(5),
    keys: 3 + chance.below(12),
    events: options.events ?? 20_000,
    faults: drawn,
    faultEveryEvents: chance.skewed(50, 700),
    preVote: chance.happens(0.75),
    checkQuorum: chance.happens(0.75) || profile === 'lease',
    leaseReads: profile === 'lease',
    volatileState: chance.happens(0.2),
    electionTick: chance.pick([10, 10, 5, 3]),
    heartbeatTick: 1,
    syncMs: [0.1, chance.pick([1, 5, 20])],
    latencyMs: [low, low * chance.pick([1.5, 4, 20])],
    loss: drawn.includes('loss') ? chance.skewed(0.001, 0.2) : 0,
    duplicate: drawn.includes('duplicate') ? chance.skewed(0.01, 0.3) : 0,
    reorder: drawn.includes('reorder') ? chance.skewed(0.01, 0.3) : 0,
    late: drawn.includes('late') ? chance.skewed(0.002, 0.1) : 0,
    silentCuts: chance.happens(0.4),
    mixedPreVote: chance.happens(0.3),
    coreFirst: chance.happens(0.6),
    checkEveryEntries: snapshots ? Math.floor(chance.skewed(1, 21)) : 1000,
    keepEntries: snapshots ? Math.max(0, chance.below(14) - 4) : 100,
    chunkBytes: chance.pick([64, 400, 1 << 18]),
    segmentBytes: chance.pick(tidies ? [4096, 4096, 16_384] : [4096, 16_384, 1 << 20]),
    maintainEveryMs: tidies ? 20_000 : 500,
    tidies,
    // With damage to what is stored every acknowledged write is watched over, not one in a thousand; or only votes are damaged.
    watermarkLag: damage ? chance.pick([1, 1, 1, 1024]) : chance.pick([1, 16, 1024]),
    maxMessageBytes: chance.pick([200, 1000, 1 << 20]),
    maxInflightMessages: chance.pick([1, 2, 16, 256]),
    entryCacheBytes: chance.pick([300, 4000, 1 << 20]),
    thinkMs: chance.skewed(...thinking(profile)),
    valueBytes: chance.pick([4, 20, 200, 1500, 4000, 4000]),
    gatherChanges: chance.pick([2, 8, 8192, 8192]),
  };
}
