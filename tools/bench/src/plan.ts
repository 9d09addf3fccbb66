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
  readonly append: readonly AppendCell[];
}

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
    append: [...cross([usual], [1, 16, 256], 1), ...cross([usual], [1], 64)],
  },
  standard: { mode: 'standard', rounds: 7, sliceMs: 250, append: standardAppend },
  full: {
    mode: 'full',
    rounds: 9,
    sliceMs: 300,
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
