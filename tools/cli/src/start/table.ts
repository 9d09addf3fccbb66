/** How a running cluster looks: as a table for a terminal, as one line for a pipe. */
import Table from 'cli-table3';
import type { NodeStatus } from '@balsa/raft-node';

export interface NodeView {
  readonly id: number;
  readonly pid: number | undefined;
  /** Undefined while the node does not answer. */
  readonly status: NodeStatus | undefined;
  /** What is known about a node that is down. */
  readonly note: string;
}

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit] ?? ''}`;
}

/** Entries of the leader's log that a follower is not known to have; undefined when nobody can say. */
export function lagOf(id: number, views: readonly NodeView[]): number | undefined {
  const leader = views.find((view) => view.status?.role === 'leader')?.status;
  if (leader?.id === id) return 0;
  return leader?.progress.find((peer) => peer.id === id)?.lag;
}

function roleOf(view: NodeView): string {
  if (view.status === undefined) return view.pid === undefined ? 'down' : 'starting';
  return view.status.learner ? 'learner' : view.status.role;
}

interface Column {
  readonly name: string;
  readonly align: 'left' | 'right';
  readonly text: (view: NodeView, views: readonly NodeView[]) => string | number;
}

/** A column about what the node says of itself. */
function reported(name: string, text: (status: NodeStatus) => string | number): Column {
  return {
    name,
    align: 'right',
    text: ({ status }) => (status === undefined ? '-' : text(status)),
  };
}

const columns: readonly Column[] = [
  { name: 'node', align: 'right', text: (view) => view.id },
  { name: 'pid', align: 'right', text: (view) => view.pid ?? '-' },
  { name: 'role', align: 'left', text: roleOf },
  reported('term', (status) => status.term),
  reported('first', (status) => status.firstIndex),
  reported('last', (status) => status.lastIndex),
  reported('commit', (status) => status.commit),
  reported('applied', (status) => status.applied),
  reported('log', (status) => formatBytes(status.log.bytes)),
  reported('snapshots', (status) => formatBytes(status.snapshots.bytes)),
  { name: 'lag', align: 'right', text: (view, views) => lagOf(view.id, views) ?? '-' },
];

/** What a narrow terminal does without, the first first. */
const droppable = ['snapshots', 'first', 'log', 'last', 'commit', 'pid', 'term'];

/** For cli-table3: columns without lines. */
export const noFrame: Readonly<Record<string, string>> = Object.fromEntries(
  ['top', 'bottom', 'left', 'right', 'mid']
    .flatMap((side) => [side, `${side}-mid`, `${side}-left`, `${side}-right`])
    .map((name) => [name, '']),
);

function draw(views: readonly NodeView[], shown: readonly Column[], framed: boolean): string {
  const table = new Table({
    head: shown.map(({ name }) => name),
    colAligns: shown.map(({ align }) => align),
    ...(framed
      ? { style: { head: [], border: [] } }
      : {
          style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
          chars: { ...noFrame, middle: '  ' },
        }),
  });
  for (const view of views) table.push(shown.map(({ text }) => text(view, views)));
  return table.toString();
}

/** The fullest picture that fits into `width` characters: a broken line would tear the redrawing. */
function fitting(views: readonly NodeView[], width: number): string {
  const fits = (text: string): boolean => text.split('\n').every((line) => line.length <= width);
  const framed = draw(views, columns, true);
  if (fits(framed)) return framed;
  let shown = columns;
  let plain = draw(views, shown, false);
  for (const name of droppable) {
    if (fits(plain)) break;
    shown = shown.filter((column) => column.name !== name);
    plain = draw(views, shown, false);
  }
  return plain;
}

/** `width` is that of the terminal, in characters. */
export function renderTable(views: readonly NodeView[], width: number): string {
  const notes = views.filter((view) => view.note !== '').map((view) => `node ${view.id}: ${view.note}`);
  return [fitting(views, width), ...notes].join('\n');
}

export function renderLine(views: readonly NodeView[]): string {
  return views
    .map((view) => {
      const { status } = view;
      if (status === undefined)
        return `${view.id} ${roleOf(view)}${view.note === '' ? '' : ` (${view.note})`}`;
      const lag = lagOf(view.id, views);
      return `${view.id} ${roleOf(view)} term ${status.term} applied ${status.applied}${lag === undefined ? '' : ` lag ${lag}`}`;
    })
    .join(' | ');
}
