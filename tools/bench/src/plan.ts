/** How much of everything each mode measures. */

export type Mode = 'quick' | 'standard' | 'full';

export interface AppendCell {
  readonly batch: number;
  readonly payloadBytes: number;
  readonly groups: number;
}

export interface Plan {
  readonly mode: Mode;
  readonly rounds: number;
  readonly sliceMs: number;
  /** Of appends, for each lane, before the first of them counts. */
  readonly warmUpMs: number;
  readonly append: readonly AppendCell[];
  /** Entries a second that arrive in the open loop. */
  readonly rates: readonly number[];
  /** Entries in the log before it is read or opened. */
  readonly loadedEntries: number;
  /** How often what takes long is done. */
  readonly repeats: number;
  readonly snapshotBytes: readonly number[];
  /** A snapshot of so many bytes or more is made once only. */
  readonly onceFromBytes: number;
  readonly cluster: {
    readonly clients: readonly number[];
    /** Before anything counts: see `warmUp`. */
    readonly warmUpMs: number;
    readonly measureMs: number;
    readonly rounds: number;
    readonly kills: number;
    /** Every entrant, or one of each engine. */
    readonly everyVariant: boolean;
  };
  readonly compaction: { readonly cycles: number; readonly every: number; readonly keep: number };
}

const megabyte = 1024 * 1024;

const payloads = [16, 128, 256, 1024];
const batches = [1, 8, 16, 64, 256, 512];
const usual = 256;

function cross(sizes: readonly number[], counts: readonly number[], groups: number): AppendCell[] {
  return sizes.flatMap((payloadBytes) => counts.map((batch) => ({ batch, payloadBytes, groups })));
}

/** One group at every batch, every payload at batch 16, more groups at small batches. */
const standardAppend: readonly AppendCell[] = [
  ...cross([usual], batches, 1),
  ...cross([16, 128, 1024], [16], 1),
  ...cross([usual], [1, 16], 4),
  ...cross([usual], [1, 16], 64),
];

const plans: Readonly<Record<Mode, Plan>> = {
  quick: {
    mode: 'quick',
    rounds: 5,
    sliceMs: 120,
    warmUpMs: 1000,
    append: [...cross([usual], [1, 16, 256], 1), ...cross([usual], [1], 64)],
    rates: [1000],
    loadedEntries: 10_000,
    repeats: 2,
    snapshotBytes: [megabyte, 64 * megabyte],
    onceFromBytes: 64 * megabyte,
    cluster: {
      clients: [1, 16, 256],
      warmUpMs: 4000,
      measureMs: 700,
      rounds: 2,
      kills: 1,
      everyVariant: false,
    },
    compaction: { cycles: 6, every: 4096, keep: 1024 },
  },
  standard: {
    mode: 'standard',
    rounds: 7,
    sliceMs: 200,
    warmUpMs: 3000,
    append: standardAppend,
    rates: [1000, 10_000],
    loadedEntries: 50_000,
    repeats: 5,
    snapshotBytes: [megabyte, 64 * megabyte],
    onceFromBytes: 256 * megabyte,
    cluster: {
      clients: [1, 16, 64, 256, 1000],
      warmUpMs: 10_000,
      measureMs: 1000,
      rounds: 5,
      kills: 3,
      everyVariant: true,
    },
    compaction: { cycles: 12, every: 10_240, keep: 10_240 },
  },
  full: {
    mode: 'full',
    rounds: 9,
    sliceMs: 300,
    warmUpMs: 3000,
    rates: [1000, 5000, 20_000],
    loadedEntries: 200_000,
    repeats: 7,
    snapshotBytes: [megabyte, 64 * megabyte, 1024 * megabyte],
    onceFromBytes: 256 * megabyte,
    cluster: {
      clients: [1, 16, 64, 256, 1000],
      warmUpMs: 10_000,
      measureMs: 4000,
      rounds: 5,
      kills: 7,
      everyVariant: true,
    },
    compaction: { cycles: 96, every: 10_240, keep: 10_240 },
    append: [
      ...cross(payloads, batches, 1),
      ...[4, 64].flatMap((groups) => cross(payloads, [1, 16], groups)),
    ],
  },
};

export interface PlanChoice {
  readonly quick?: boolean;
  readonly full?: boolean;
  readonly batch?: readonly number[];
  readonly payload?: readonly number[];
  readonly groups?: readonly number[];
  readonly rounds?: number;
  readonly slice?: number;
}

/** The plan of the mode, with what was asked for in its place. */
export function choosePlan({ quick, full, batch, payload, groups, rounds, slice }: PlanChoice): Plan {
  const plan = plans[full === true ? 'full' : quick === true ? 'quick' : 'standard'];
  const chosen = batch !== undefined || payload !== undefined || groups !== undefined;
  return {
    ...plan,
    rounds: rounds ?? plan.rounds,
    sliceMs: slice ?? plan.sliceMs,
    append: chosen
      ? (groups ?? [1]).flatMap((count) => cross(payload ?? [usual], batch ?? [1, 16, 256], count))
      : plan.append,
  };
}
