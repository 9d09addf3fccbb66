/** The report as text for a terminal of a hundred columns. */
import Table from 'cli-table3';
import { columnsOf } from './columns.ts';
import { bytesText, short } from './format.ts';
import type { BenchReport, Cell, Row, StoreReport } from './report.ts';

const width = 100;

const rulesOff = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: ' ',
};

/** Columns from `numbersFrom` on are set to the right. */
export function plainTable(rows: readonly (readonly string[])[], numbersFrom: number): string {
  const count = rows[0]?.length ?? 0;
  const table = new Table({
    chars: rulesOff,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0, compact: true },
    colAligns: Array.from({ length: count }, (_, i) => (i < numbersFrom ? 'left' : 'right')),
  });
  for (const row of rows) table.push([...row]);
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

/** Lines of at most a hundred columns, further ones indented. */
export function wrap(text: string, indent = '  '): string {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = indent + word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line].join('\n');
}

const marks: Readonly<Record<Row['durability'], string>> = {
  durable: '',
  relaxed: ' (relaxed)',
  volatile: ' (volatile)',
  unproved: ' (unproved)',
};

export function rowName(row: Row): string {
  return `${row.label}${marks[row.durability]}`;
}

export function cellTable(cell: Cell): string {
  const columns = columnsOf(cell.workload).filter(({ text }) => cell.rows.some((row) => text(row) !== '-'));
  const measured = cell.rows.filter(({ metrics }) => Object.keys(metrics).length > 0);
  const rows = measured.map((row) => [rowName(row), ...columns.map(({ text }) => text(row))]);
  const notes = cell.rows.filter(({ note }) => note !== undefined);
  return [
    `${cell.workload}: ${cell.title}`,
    plainTable([['', ...columns.map(({ heading }) => heading)], ...rows], 1),
    ...notes.map((row) => wrap(`  ${rowName(row)}: ${row.note ?? ''}`, '    ')),
  ].join('\n');
}

export function machineText({ machine, mode, settings }: BenchReport): string {
  const { cpu, cores, memoryBytes, platform, kernel, node, fileSystem, device, writeCache } = machine;
  return [
    wrap(`${cpu}, ${cores} cores, ${bytesText(memoryBytes)}; ${platform}, kernel ${kernel}, Node ${node}`),
    wrap(
      `${machine.directory} on ${device} (${fileSystem}, ${machine.mountOptions}; write cache: ${writeCache})`,
    ),
    wrap(
      `${mode}: ${settings.rounds} rounds of ${settings.sliceMs} ms, ${settings.payload} payloads, commit ${machine.commit}; ` +
        `load ${machine.loadBefore.toFixed(2)} before, ${machine.loadAfter.toFixed(2)} after`,
    ),
  ].join('\n');
}

function storeLine({ label, engine, engineVersion, status, reason }: StoreReport): string {
  const version = engine === null ? '' : ` (${engine} ${engineVersion ?? ''})`;
  return wrap(`${label}${version}: ${status}${reason === '' ? '' : `: ${reason}`}`);
}

function barsText({ bars, profiles }: BenchReport): string {
  const lines = bars.map(({ text, measured, met, bare }) => {
    const beneath = bare === null ? '' : ` (bare: ${short(bare)})`;
    const verdict = met === null ? '?     ' : met ? 'met   ' : 'MISSED';
    return wrap(`${verdict}  ${text}: ${short(measured)}${beneath}`, '        ');
  });
  const wheres = profiles.map(({ label, cell, functions, figures = [] }) => {
    const shares = functions.slice(0, 6).map(({ name, share }) => `${Math.round(share * 100)} % ${name}`);
    const costs = figures.map(({ name, value }) => `${short(value)} ${name}`);
    return wrap(`${label}, ${cell}: ${[shares.join(', '), ...costs].join('; ')}`);
  });
  return [
    `What the adapters are held to`,
    ...lines,
    ...(wheres.length > 0 ? ['', 'Where the time goes (self time, sampled)', ...wheres] : []),
  ].join('\n');
}

export function reportText(report: BenchReport): string {
  const parts = [machineText(report)];
  if (report.warnings.length > 0)
    parts.push(report.warnings.map((text) => wrap(`WARNING: ${text}`)).join('\n'));
  parts.push(report.stores.map(storeLine).join('\n'));
  parts.push(...report.cells.map(cellTable));
  if (report.bars.length > 0) parts.push(barsText(report));
  if (!report.complete) parts.push('Stopped before the end: this is what was measured until then.');
  return `${parts.join('\n\n')}\n`;
}
