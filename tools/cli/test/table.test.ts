import type { NodeStatus } from '@balsa/raft-node';
import { describe, expect, test } from 'vitest';
import { formatBytes, renderLine, renderTable, type NodeView } from '../src/start/table.ts';

function view(id: number, index: number, role = 'follower'): NodeView {
  const status = {
    id,
    role,
    learner: false,
    term: 12,
    firstIndex: index - 9_000,
    lastIndex: index,
    commit: index,
    applied: index,
    log: { bytes: 512 * 1024 },
    snapshots: { bytes: 0 },
    progress: [1, 2, 3].map((peer) => ({ id: peer, lag: peer })),
  };
  return { id, pid: 123_456, status: status as unknown as NodeStatus, note: '' };
}

function widest(text: string): number {
  return Math.max(...text.split('\n').map((line) => line.length));
}

describe('the live table', () => {
  const young = [view(1, 60_000, 'leader'), view(2, 60_000), view(3, 60_000)];
  const old = [view(1, 123_456_789, 'leader'), view(2, 123_456_789), view(3, 123_456_789)];

  test('has a frame and every column where there is room', () => {
    const text = renderTable(young, 100);
    expect(text).toContain('│');
    for (const name of ['role', 'term', 'first', 'last', 'commit', 'applied', 'log', 'snapshots', 'lag']) {
      expect(text).toContain(name);
    }
  });

  test.each([120, 100, 80, 60, 40, 30])('is never wider than a terminal of %i characters', (width) => {
    for (const views of [young, old]) expect(widest(renderTable(views, width))).toBeLessThanOrEqual(width);
  });

  test('gives up its frame before any column, and never node, role, applied and lag', () => {
    const plain = renderTable(old, 100);
    expect(plain).not.toContain('│');
    expect(plain.split('\n')[0]!.trim().split(/ +/)).toHaveLength(11);
    expect(renderTable(old, 30).split('\n')[0]!.trim().split(/ +/)).toEqual([
      'node',
      'role',
      'applied',
      'lag',
    ]);
  });

  test('shows a node that is down, and why under the table', () => {
    const down: NodeView = { id: 2, pid: undefined, status: undefined, note: 'down: was ended by SIGKILL' };
    const text = renderTable([young[0]!, down, young[2]!], 100);
    expect(text).toMatch(/│ +2 │ +- │ down /);
    expect(text.split('\n').at(-1)).toBe('node 2: down: was ended by SIGKILL');
    expect(renderLine([young[0]!, down])).toBe(
      '1 leader term 12 applied 60000 lag 0 | 2 down (down: was ended by SIGKILL)',
    );
  });
});

test('bytes are told in the unit that fits', () => {
  expect([0, 1023, 1024, 1_572_864].map(formatBytes)).toEqual(['0 B', '1023 B', '1.0 KiB', '1.5 MiB']);
});
