/**
 * The result on the page of the core's benchmark, and the raw data beside it, written in one go so that they
 * never disagree. The rest of the page is written by people.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CellResult, CoreBenchOptions } from './bench.ts';

export interface CoreReport {
  readonly benchmark: 'core';
  readonly machine: {
    readonly cpu: string;
    readonly cores: number;
    readonly platform: string;
    readonly node: string;
    readonly v8: string;
    readonly loadBefore: readonly number[];
    readonly loadAfter: readonly number[];
  };
  readonly options: Omit<CoreBenchOptions, 'rival'>;
  readonly results: readonly CellResult[];
}

const begin = '<!-- result: written by bench:core -->';
const end = '<!-- end of result -->';

/** Writes `benchmarks-core.md` and `data/core-benchmark.json` below `directory`; run from the root of the repository. */
export function writePage(directory: string, report: CoreReport): void {
  const page = join(directory, 'benchmarks-core.md');
  const data = join(directory, 'data', 'core-benchmark.json');
  const text = withResult(readFileSync(page, 'utf8'), report);
  writeFileSync(data, JSON.stringify(report, shortNumber, 2));
  writeFileSync(page, text);
  execFileSync(process.execPath, ['node_modules/prettier/bin/prettier.cjs', '--write', page, data]);
}

/** `page` with the result between its two marks replaced. Throws when the marks are not there. */
export function withResult(page: string, report: CoreReport): string {
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`the page must have the lines ${begin} and ${end}`);
  return `${page.slice(0, from + begin.length)}\n\n${resultSection(report)}\n\n${page.slice(to)}`;
}

function resultSection({ machine, options, results }: CoreReport): string {
  return [
    `${String(options.rounds)} ${options.rounds === 1 ? 'round' : 'rounds'} of ${options.entries.toLocaleString('en')} entries of ${String(options.payload)} bytes a cell, on ` +
      `${String(machine.cores)} CPUs (${machine.cpu}, ${machine.platform}), Node ${machine.node} with its default heap. Load of the machine ` +
      `before and after: ${load(machine.loadBefore)} and ${load(machine.loadAfter)}.`,
    table(results),
    verdict(results),
  ].join('\n\n');
}

const load = ([lastMinute = 0]: readonly number[]): string => lastMinute.toFixed(1);

const speed = (perSecond: number): string =>
  perSecond < 1e6 ? `${(perSecond / 1e3).toFixed(0)} k` : `${(perSecond / 1e6).toFixed(2)} M`;

function table(results: readonly CellResult[]): string {
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [
    row([
      'nodes',
      'B',
      'as',
      'codec',
      'entries/s',
      'ns/entry',
      'heap bytes/entry',
      'rival entries/s',
      'ratio',
      'min to max',
    ]),
    row(['--:', '--:', '---', '---', '--:', '--:', '--:', '--:', '--:', '---']),
    ...results.map((cell) =>
      row([
        String(cell.nodes),
        String(cell.batch),
        cell.multi ? 'one proposal' : 'B proposals',
        cell.codec ? 'yes' : 'no',
        speed(cell.entriesPerSecond.median),
        Math.round(cell.nsPerEntry.median).toLocaleString('en'),
        Math.round(cell.heapBytesPerEntry).toLocaleString('en'),
        cell.rivalEntriesPerSecond === undefined ? '' : speed(cell.rivalEntriesPerSecond.median),
        cell.ratio === undefined ? '' : `**${cell.ratio.median.toFixed(2)}**`,
        cell.ratio === undefined ? '' : `${cell.ratio.min.toFixed(2)} to ${cell.ratio.max.toFixed(2)}`,
      ]),
    ),
  ].join('\n');
}

function verdict(results: readonly CellResult[]): string {
  const compared = results.filter(({ ratio }) => ratio !== undefined);
  if (compared.length === 0) return 'No rival ran beside these rounds.';
  const below = compared.filter(({ ratio }) => (ratio?.median ?? 1) < 1);
  if (below.length === 0) return `As fast as the rival or faster in all ${String(compared.length)} cells.`;
  const lines = below.map(
    ({ nodes, batch, multi, codec, ratio }) =>
      `- ${String(nodes)} ${nodes === 1 ? 'node' : 'nodes'}, B = ${String(batch)}, ${multi ? 'one proposal' : 'B proposals'}` +
      `${codec ? ', codec' : ''}: ${ratio?.median.toFixed(2) ?? ''}`,
  );
  return `Below 1 in ${String(below.length)} of ${String(compared.length)} cells:\n\n${lines.join('\n')}`;
}

/** Five digits tell more than rounds that scatter can. */
function shortNumber(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(5)) : value;
}
