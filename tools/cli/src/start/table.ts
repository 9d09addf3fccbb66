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

export function renderTable(views: readonly NodeView[]): string {
  const table = new Table({
    head: ['node', 'pid', 'role', 'term', 'first', 'last', 'commit', 'applied', 'log', 'snapshots', 'lag'],
    style: { head: [], border: [] },
    colAligns: ['right', 'right', 'left', ...Array.from({ length: 8 }, () => 'right' as const)],
  });
  for (const view of views) {
    const { status } = view;
    table.push([
      view.id,
      view.pid ?? '-',
      roleOf(view),
      ...(status === undefined
        ? ['-', '-', '-', '-', '-', '-', '-']
        : [
            status.term,
            status.firstIndex,
            status.lastIndex,
            status.commit,
            status.applied,
            formatBytes(status.log.bytes),
            formatBytes(status.snapshots.bytes),
          ]),
      lagOf(view.id, views) ?? '-',
    ]);
  }
  const notes = views.filter((view) => view.note !== '').map((view) => `node ${view.id}: ${view.note}`);
  return [table.toString(), ...notes].join('\n');
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
