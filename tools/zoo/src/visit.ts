/** Runs one family: each broken store against its own case, each correct one against all. */
import type { Level, Target } from '@balsa/test-suite';
import {
  allKillers,
  judge,
  type Animal,
  type Killed,
  type KilledFamily,
  type ZooFamily,
} from '@balsa/test-suite/zoo';

export interface VisitOptions {
  /** Whether to try the other cases of each broken store, too. */
  readonly full: boolean;
  /** Of the cases that the correct stores are run against. */
  readonly levels: readonly Level[];
  readonly write: (text: string) => void;
}

export interface Visit {
  readonly page: KilledFamily;
  readonly failures: number;
}

/** The rare bugs want more histories than the default, which is for stores on real disks. */
const histories = { runs: 100 };
const fewHistories = 20;

export async function visit(family: ZooFamily, options: VisitOptions): Promise<Visit> {
  const { name, animals, correct, matrix = [] } = family;
  const page = { name, correct: correct.map((target) => target.name), matrix };
  const missing = await family.missing?.();
  if (missing !== undefined) {
    options.write(`${name}: cannot be run here: ${missing}\n`);
    return { page: { ...page, rows: [] }, failures: 1 };
  }
  options.write(`${name}\n`);
  let failures = 0;
  const rows: Killed[] = [];
  for (const animal of animals) {
    if (!(await isKilled(animal, options))) failures++;
    rows.push({ animal, killers: await othersOf(animal, matrix, options) });
  }
  for (const target of correct) if (!(await lives(target, options))) failures++;
  return { page: { ...page, rows }, failures };
}

async function isKilled({ bug, killer, target }: Animal, { write }: VisitOptions): Promise<boolean> {
  const verdict = await judge(killer, target, histories);
  const killed = verdict.status === 'killed';
  const how = killed || verdict.status === 'survived' ? '' : `: ${verdict.reason}`;
  write(`  ${verdict.status.padEnd(9)}${killer.padEnd(48)} ${bug}${how}\n`);
  return killed;
}

async function othersOf(
  { target }: Animal,
  matrix: readonly Level[],
  { full, write }: VisitOptions,
): Promise<readonly string[] | undefined> {
  if (!full || matrix.length === 0) return undefined;
  const killers = await allKillers(target, { runs: fewHistories, levels: matrix });
  write(`           ${String(killers.length)} cases kill it\n`);
  return killers.map(({ id }) => id);
}

async function lives(target: Target, { levels, write }: VisitOptions): Promise<boolean> {
  const killers = await allKillers(target, { runs: fewHistories, levels });
  write(`  ${killers.length === 0 ? 'lives ' : 'KILLED'}   ${target.name}\n`);
  for (const { id, reason } of killers) write(`           by ${id}: ${reason}\n`);
  return killers.length === 0;
}
