/** Results for people. */
import Table from 'cli-table3';
import type { CellResult } from './bench.ts';
import type { Spread } from '../stats.ts';

const whole = (value: number): string => Math.round(value).toLocaleString('en');
const between = (spread: Spread, text: (value: number) => string): string =>
  `${text(spread.median)} (${text(spread.min)} to ${text(spread.max)})`;

const columns: readonly { readonly name: string; readonly of: (result: CellResult) => string }[] = [
  { name: 'nodes', of: (result) => String(result.nodes) },
  { name: 'B', of: (result) => String(result.batch) },
  { name: 'as', of: (result) => (result.multi ? 'one proposal' : 'B proposals') },
  { name: 'codec', of: (result) => (result.codec ? 'yes' : 'no') },
  { name: 'entries/s', of: (result) => between(result.entriesPerSecond, whole) },
  { name: 'ns/entry', of: (result) => whole(result.nsPerEntry.median) },
  { name: 'heap bytes/entry', of: (result) => whole(result.heapBytesPerEntry) },
  {
    name: 'rival entries/s',
    of: ({ rivalEntriesPerSecond }) =>
      rivalEntriesPerSecond === undefined ? '' : between(rivalEntriesPerSecond, whole),
  },
  {
    name: 'ratio',
    of: ({ ratio }) => (ratio === undefined ? '' : between(ratio, (value) => value.toFixed(2))),
  },
];

function shown(results: readonly CellResult[]): typeof columns {
  return results.some(({ ratio }) => ratio !== undefined) ? columns : columns.slice(0, -2);
}

export function terminalTable(results: readonly CellResult[]): string {
  const used = shown(results);
  const table = new Table({ head: used.map(({ name }) => name), style: { head: [], border: [] } });
  for (const result of results) table.push(used.map(({ of }) => of(result)));
  return table.toString();
}

/** The same as a table for a page. */
export function markdownTable(results: readonly CellResult[]): string {
  const used = shown(results);
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [
    row(used.map(({ name }) => name)),
    row(used.map(() => '---')),
    ...results.map((result) => row(used.map(({ of }) => of(result)))),
  ].join('\n');
}
