import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { EngineSource } from '@balsa/engines';
import { findEntrants } from '../src/entrants.ts';
import { reportText } from '../src/report/table.ts';
import type { BenchReport, Row } from '../src/report/report.ts';
import { runBench } from '../src/run.ts';
import { workloads } from '../src/workloads/workloads.ts';
import { tinyPlan } from './support/plan.ts';
import { faults, type Schema } from './support/schema.ts';

const forgetful = fileURLToPath(new URL('support/forgetful-store.mjs', import.meta.url));
const schema = JSON.parse(
  readFileSync(new URL('../schema/bench-report.schema.json', import.meta.url), 'utf8'),
) as Schema;
const inProcess = workloads.filter(({ name }) => name !== 'cluster');

let directory = '';
let report: BenchReport;

const absent: EngineSource = {
  ...{ name: 'absent', label: 'absent', description: '', needs: undefined, persistent: true },
  ...{ options: {}, optionSpecs: {} },
  prepare: () => Promise.reject(new Error('there is no server here')),
  open: () => Promise.reject(new Error('there is no server here')),
  isOpen: () => Promise.resolve(false),
};

beforeAll(async () => {
  directory = mkdtempSync(path.join(tmpdir(), 'balsa-bench-test-'));
  const sources = [...(await findEntrants(['memory', 'file', 'sqlite', forgetful])), absent];
  report = await runBench({
    ...{ sources, workloads: inProcess, plan: tinyPlan, payload: 'random', directory },
    signal: new AbortController().signal,
    say: () => undefined,
  });
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function rowsOf(workload: string): Row[] {
  return report.cells.filter((cell) => cell.workload === workload).flatMap(({ rows }) => rows);
}

describe('a run', () => {
  test('gives what its schema says', () => {
    expect(faults(JSON.parse(JSON.stringify(report)), schema)).toEqual([]);
    expect(report.complete).toBe(true);
  });

  test('refuses a number to a store that does not sync, and says why', () => {
    const store = report.stores.find(({ label }) => label === path.basename(forgetful));
    expect(store).toMatchObject({ status: 'refused', probe: { acknowledged: 24, covered: 0 } });
    expect(store?.reason).toContain('acknowledges before it syncs');
    expect(report.cells.flatMap(({ rows }) => rows).map(({ label }) => label)).not.toContain(store?.label);
  });

  test('names a store that cannot be opened, with the reason', () => {
    const store = report.stores.find(({ label }) => label === 'absent');
    expect(store).toMatchObject({ status: 'unavailable', reason: 'there is no server here' });
  });

  test('shows what keeps nothing as volatile, and what syncs as durable', () => {
    const status = new Map(report.stores.map((store) => [store.label, store.status]));
    expect(status.get('memory')).toBe('volatile');
    expect(status.get('file')).toBe('durable');
    expect(status.get('sqlite')).toBe('durable');
  });

  test.each(inProcess.map(({ name }) => name))('has a row with figures for each store in %s', (name) => {
    for (const label of ['memory', 'file', 'sqlite']) {
      const rows = rowsOf(name).filter((row) => row.label === label);
      expect(rows.length).toBeGreaterThan(0);
      for (const row of rows)
        expect([label, row.note, Object.keys(row.metrics).length > 1]).toEqual([label, undefined, true]);
    }
  });

  test('measures both floors in every cell of appends, and each store against both', () => {
    for (const cell of report.cells.filter(({ workload }) => workload === 'append')) {
      expect(cell.rows.filter(({ kind }) => kind === 'floor')).toHaveLength(2);
      for (const row of cell.rows.filter(({ kind }) => kind !== 'floor')) {
        expect(row.ratios['growing p50']?.rounds).toHaveLength(tinyPlan.rounds);
        expect(row.ratios['preallocated p50']?.rounds).toHaveLength(tinyPlan.rounds);
      }
    }
  });

  test('puts the bare client beside its adapter', () => {
    const [row] = rowsOf('append').filter(({ label }) => label === 'sqlite');
    expect(row?.ratios['bare throughput']?.rounds).toHaveLength(tinyPlan.rounds);
    expect(
      rowsOf('append').some(({ label, kind }) => label === 'bare better-sqlite3' && kind === 'bare'),
    ).toBe(true);
  });

  test('leaves nothing behind', () => {
    expect(readdirSync(directory)).toEqual([]);
  });

  test('is a text of a hundred columns', () => {
    const lines = reportText(report).split('\n');
    expect(lines.filter((line) => line.length > 100)).toEqual([]);
    expect(lines).toContainEqual(expect.stringContaining('floor: growing file'));
  });
});

test('a run that is stopped keeps what it measured, says so, and leaves nothing behind', async () => {
  const stop = new AbortController();
  const stopped = await runBench({
    ...{
      sources: await findEntrants(['memory']),
      workloads: inProcess,
      plan: tinyPlan,
      payload: 'text',
      directory,
    },
    signal: stop.signal,
    say: (text) => {
      if (text.startsWith('open:')) stop.abort(new Error('stopped'));
    },
  });
  expect(stopped.complete).toBe(false);
  expect(stopped.cells.map(({ workload }) => workload)).toEqual(['append', 'append', 'append']);
  expect(reportText(stopped)).toContain('Stopped before the end');
  expect(readdirSync(directory)).toEqual([]);
});
