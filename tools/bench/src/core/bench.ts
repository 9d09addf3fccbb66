/** Rounds of all cells, the rival's and ours in turn, so that both meet the same machine in the same minute. */
import { cellKey, cellsOf, modes } from './cells.ts';
import type { ClusterOptions } from './cluster.ts';
import { measureAllocation, measureSpeed } from './measure.ts';
import { runRival } from './rival.ts';
import { spreadOf, type Spread } from '../stats.ts';

export interface CoreBenchOptions {
  readonly rounds: number;
  /** Entries of each cell in each round, besides the warm-up. */
  readonly entries: number;
  /** Bytes. */
  readonly payload: number;
  readonly nodes: readonly number[];
  readonly batches: readonly number[];
  readonly batchAppend: boolean;
  /** Path of a program; see `runRival`. */
  readonly rival: string | undefined;
}

export interface CellResult extends ClusterOptions {
  /** Entries a second of each round, in order. */
  readonly rounds: readonly number[];
  readonly entriesPerSecond: Spread;
  readonly nsPerEntry: Spread;
  readonly heapBytesPerEntry: number;
  /** Entries a second of each of the rival's rounds: one before each of ours and one behind the last. */
  readonly rivalRounds: readonly number[];
  readonly rivalEntriesPerSecond: Spread | undefined;
  /** Ours to the mean of the rival's before and behind it, round by round: above 1 we are faster. */
  readonly ratio: Spread | undefined;
}

/** Entries of the pass that counts bytes. */
const weighedEntries = 20_000;

class Rounds {
  readonly ours: number[] = [];
  readonly rivals: number[] = [];
}

/** `report` is told what is done, a line at a time. */
export async function runCoreBench(
  options: CoreBenchOptions,
  report: (line: string) => void,
): Promise<readonly CellResult[]> {
  const payload = new Uint8Array(options.payload);
  const results: CellResult[] = [];
  for (const mode of modes) {
    const cells = cellsOf(mode, options).map((cell) => ({ cell, rounds: new Rounds() }));
    const askRival = async (): Promise<void> => {
      if (options.rival === undefined) return;
      const speeds = await runRival(options.rival, mode);
      for (const { cell, rounds } of cells) {
        const speed = speeds.get(cellKey(cell));
        if (speed !== undefined) rounds.rivals.push(speed);
      }
    };
    await askRival();
    for (let round = 1; round <= options.rounds; round++) {
      for (const { cell, rounds } of cells)
        rounds.ours.push(measureSpeed(cell, options.entries, payload).entriesPerSecond);
      await askRival();
      report(
        `${mode.multi ? 'one proposal' : 'proposals'}, ${mode.codec ? 'codec' : 'direct'}: round ${String(round)}`,
      );
    }
    for (const { cell, rounds } of cells)
      results.push(resultOf(cell, rounds, measureAllocation(cell, weighedEntries, payload)));
  }
  return results;
}

function resultOf(cell: ClusterOptions, { ours, rivals }: Rounds, heapBytesPerEntry: number): CellResult {
  const ratios =
    rivals.length === ours.length + 1
      ? ours.map((speed, i) => (2 * speed) / ((rivals[i] ?? Number.NaN) + (rivals[i + 1] ?? Number.NaN)))
      : [];
  return {
    ...cell,
    rounds: ours,
    entriesPerSecond: spreadOf(ours),
    nsPerEntry: spreadOf(ours.map((speed) => 1e9 / speed)),
    heapBytesPerEntry,
    rivalRounds: rivals,
    rivalEntriesPerSecond: rivals.length > 0 ? spreadOf(rivals) : undefined,
    ratio: ratios.length > 0 ? spreadOf(ratios) : undefined,
  };
}
