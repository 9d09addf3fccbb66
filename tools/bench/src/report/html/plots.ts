/** Which plots the report has. Each says in its caption what is to be seen and how it was measured. */
import { short } from '../format.ts';
import type { BenchReport, Cell, Row } from '../report.ts';
import { axis, draw, legend } from './plot.ts';
import { floorColour, ink, muted, paper, rowColour } from './theme.ts';

export interface Plot {
  readonly workload: string;
  readonly title: string;
  readonly caption: string;
  readonly svg: string;
}

type Points = readonly (readonly [number, number])[];

/** One colour for each name, the same in all plots. */
class Colours {
  readonly #rows = new Map<string, string>();
  readonly #floors = new Map<string, string>();

  of({ label, kind }: Row): string {
    const [known, colour] = kind === 'floor' ? [this.#floors, floorColour] : [this.#rows, rowColour];
    const found = known.get(label) ?? colour(known.size);
    known.set(label, found);
    return found;
  }
}

function cellsOf(report: BenchReport, workload: string): readonly Cell[] {
  return report.cells.filter((cell) => cell.workload === workload);
}

function labelsOf(cells: readonly Cell[]): Row[] {
  const rows = new Map<string, Row>();
  for (const row of cells.flatMap((cell) => cell.rows))
    if (!rows.has(row.label) && Object.keys(row.metrics).length > 0) rows.set(row.label, row);
  return [...rows.values()];
}

function rowOf(cell: Cell, label: string): Row | undefined {
  return cell.rows.find((row) => row.label === label);
}

/** A line for each row over a parameter of the cells. */
function lines(
  cells: readonly Cell[],
  parameter: string,
  value: (row: Row) => number | null | undefined,
  colours: Colours,
): object[] {
  return labelsOf(cells).flatMap((row) => {
    const points: Points = cells.flatMap((cell) => {
      const found = rowOf(cell, row.label);
      const y = found === undefined ? undefined : value(found);
      return typeof y === 'number' && y > 0 ? [[Number(cell.parameters[parameter]), y] as const] : [];
    });
    if (points.length === 0) return [];
    const type = row.kind === 'adapter' ? 'solid' : row.kind === 'bare' ? 'dashed' : 'dotted';
    const colour = colours.of(row);
    return [
      {
        name: row.label,
        type: 'line',
        data: points.map((point) => [...point]),
        symbol: 'circle',
        symbolSize: 7,
        itemStyle: { color: colour },
        lineStyle: { color: colour, type, width: 2 },
      },
    ];
  });
}

const plotGrid = { left: 78, right: 30, top: 58, bottom: 52 };

function overBatch(cells: readonly Cell[], colours: Colours): Plot[] {
  const plain = cells.filter(
    ({ parameters }) => parameters['groups'] === 1 && parameters['payloadBytes'] === 256,
  );
  if (plain.length < 2) return [];
  return [
    {
      workload: 'append',
      title: 'Durable entries a second, by batch',
      caption:
        'Entries of 256 B, one group, closed loop, both axes logarithmic. Dotted: the raw disk, on a growing and on a preallocated file. Dashed: the bare client of each engine.',
      svg: draw(420, {
        legend,
        grid: { ...plotGrid, top: 84 },
        xAxis: axis({ name: 'entries in a write', log: true, format: String }),
        yAxis: axis({ name: 'entries/s', log: true, gap: 56, format: (value) => short(value) }),
        series: lines(plain, 'batch', ({ metrics }) => metrics['throughput']?.value, colours),
      }),
    },
  ];
}

/** Bars of ratios to the floor, with a line where both are equal. */
function againstFloor(cells: readonly Cell[], colours: Colours): Plot[] {
  const kept = cells.filter(({ parameters }) => parameters['payloadBytes'] === 256).slice(0, 8);
  const rows = labelsOf(kept).filter(({ kind, durability }) => kind !== 'floor' && durability !== 'volatile');
  if (kept.length === 0 || rows.length === 0) return [];
  const title = (cell: Cell): string =>
    `batch ${cell.parameters['batch'] ?? ''}${cell.parameters['groups'] === 1 ? '' : `, ${cell.parameters['groups'] ?? ''} groups`}`;
  return [
    {
      workload: 'append',
      title: 'Speed against the raw disk',
      caption:
        'Median latency of write and sync on a growing file, divided by that of the store, round by round; the median of the rounds. Right of the line the store is faster than appending the same bytes to a file. Stores that keep nothing are left out.',
      svg: draw(110 + kept.length * (18 + rows.length * 13), {
        legend,
        grid: { left: 130, right: 40, top: 66, bottom: 46 },
        xAxis: axis({ name: 'times the speed of the floor', format: String }),
        yAxis: axis({ name: '', categories: kept.map(title), inverse: true }),
        series: rows.map((row, i) => ({
          name: row.label,
          type: 'bar',
          data: kept.map((cell) => rowOf(cell, row.label)?.ratios['growing p50']?.value ?? null),
          itemStyle: { color: colours.of(row), opacity: row.kind === 'bare' ? 0.45 : 1 },
          barGap: '15%',
          ...(i === 0 && { markLine: oneLine }),
        })),
      }),
    },
  ];
}

const oneLine = {
  symbol: 'none',
  silent: true,
  label: { show: false },
  lineStyle: { color: ink, type: 'solid', width: 1 },
  data: [{ xAxis: 1 }],
};

const quantiles = [
  ['p50', 'median', 'circle'],
  ['p99', 'p99', 'diamond'],
  ['p999', 'p99.9', 'triangle'],
  ['max', 'longest', 'rect'],
] as const;

/** A line of marks for each row: how far the tail lies from the median. */
function tails(cell: Cell, colours: Colours): string {
  const rows = labelsOf([cell]).filter(({ metrics }) => typeof metrics['p99']?.value === 'number');
  return draw(96 + rows.length * 27, {
    legend: { ...legend, data: quantiles.map(([, name]) => name) },
    grid: { left: 190, right: 40, top: 38, bottom: 50 },
    xAxis: axis({ name: 'milliseconds', log: true, format: (value) => short(value) }),
    yAxis: axis({ name: '', categories: rows.map(({ label }) => label), inverse: true }),
    series: quantiles.map(([metric, name, symbol]) => ({
      name,
      type: 'scatter',
      symbol,
      symbolSize: 11,
      itemStyle: { color: muted },
      data: rows.map((row, i) => {
        const value = row.metrics[metric]?.value;
        const itemStyle = { color: colours.of(row), borderColor: paper, borderWidth: 1 };
        return { value: [typeof value === 'number' && value > 0 ? value : null, i], itemStyle };
      }),
    })),
  });
}

function tailPlots(cells: readonly Cell[], workload: string, caption: string, colours: Colours): Plot[] {
  return cells.map((cell) => ({
    workload,
    title: `Latency: ${cell.title}`,
    caption,
    svg: tails(cell, colours),
  }));
}

function clusterPlots(cells: readonly Cell[], colours: Colours): Plot[] {
  if (cells.length < 2) return [];
  const plot = (title: string, caption: string, metric: string, name: string): Plot => ({
    workload: 'cluster',
    title,
    caption,
    svg: draw(380, {
      legend,
      grid: plotGrid,
      xAxis: axis({ name: 'clients, each with one SET under way', log: true, format: String }),
      yAxis: axis({ name, log: true, gap: 56, format: (value) => short(value) }),
      series: lines(cells, 'clients', ({ metrics }) => metrics[metric]?.value, colours),
    }),
  });
  return [
    plot(
      'SETs a second, by clients',
      'Three processes and the clients on one machine; every SET is synced by two nodes before it is answered.',
      'throughput',
      'SETs/s',
    ),
    plot(
      'Median latency, by clients',
      'The same runs. The floor is two round trips and one sync.',
      'p50',
      'ms',
    ),
  ];
}

function snapshotPlot(cell: Cell, colours: Colours): Plot {
  const rows = labelsOf([cell]).filter(({ durability }) => durability !== 'volatile');
  const phases = ['create', 'stream', 'install'];
  return {
    workload: 'snapshot',
    title: `Snapshots: ${cell.title}`,
    caption:
      'Written, read and installed, while another group appends one entry after another. The floor is a file, written, synced and renamed, or read. The axis is logarithmic.',
    svg: draw(110 + phases.length * (18 + rows.length * 13), {
      legend,
      grid: { left: 80, right: 40, top: 40, bottom: 46 },
      xAxis: axis({ name: 'MiB/s', log: true, format: (value) => short(value) }),
      yAxis: axis({ name: '', categories: ['create', 'read', 'install'], inverse: true }),
      series: rows.map((row) => ({
        name: row.label,
        type: 'bar',
        data: phases.map((phase) => row.metrics[phase]?.value ?? null),
        itemStyle: { color: colours.of(row) },
        barGap: '15%',
      })),
    }),
  };
}

/** Latencies cycle by cycle: whether it gets slower as it goes on. */
function driftPlot(cell: Cell, colours: Colours): Plot {
  const rows = labelsOf([cell]).filter(
    ({ kind, durability }) => kind === 'adapter' && durability !== 'volatile',
  );
  return {
    workload: 'compaction',
    title: 'Appends, cycle after cycle of compaction',
    caption: `${cell.title}. Solid: the median latency of a write in each cycle; dotted: its p99.`,
    svg: draw(380, {
      legend: { ...legend, data: rows.map(({ label }) => label) },
      grid: plotGrid,
      xAxis: { ...axis({ name: 'cycle', format: String }), min: 1 },
      yAxis: axis({ name: 'ms', log: true, gap: 56, format: (value) => short(value) }),
      series: rows.flatMap((row) =>
        (['p50', 'p99'] as const).map((metric) => ({
          name: metric === 'p50' ? row.label : `${row.label} p99`,
          type: 'line',
          symbol: 'none',
          itemStyle: { color: colours.of(row) },
          lineStyle: {
            color: colours.of(row),
            width: metric === 'p50' ? 2 : 1.2,
            type: metric === 'p50' ? 'solid' : 'dotted',
          },
          data: (row.metrics[metric]?.rounds ?? []).map((value, i) => [i + 1, value]),
        })),
      ),
    }),
  };
}

export function plotsOf(report: BenchReport): Plot[] {
  const colours = new Colours();
  const append = cellsOf(report, 'append');
  const first =
    append.find(({ parameters }) => parameters['batch'] === 16 && parameters['groups'] === 1) ?? append[0];
  const closed =
    'Closed loop: each write begins when the last one is done. All rounds together; logarithmic.';
  const open =
    'Entries arrive at this rate whether or not the store keeps up; each waits from the moment it was due. All rounds together; logarithmic.';
  return [
    ...againstFloor(append, colours),
    ...overBatch(append, colours),
    ...tailPlots(first === undefined ? [] : [first], 'append', closed, colours),
    ...tailPlots(cellsOf(report, 'open'), 'open', open, colours),
    ...cellsOf(report, 'snapshot').map((cell) => snapshotPlot(cell, colours)),
    ...cellsOf(report, 'compaction').map((cell) => driftPlot(cell, colours)),
    ...clusterPlots(cellsOf(report, 'cluster'), colours),
  ];
}
