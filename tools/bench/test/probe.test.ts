import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { findEngine } from '@balsa/engines';
import type { TraceOperation } from '@balsa/test-suite/shim';
import { ackMark, beginMark, judgeTrace, markOf } from '../src/probe/judge.ts';
import { probeStore } from '../src/probe/probe.ts';
import { createBenchEnv } from '../src/real-env.ts';

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'balsa-probe-test-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const { signal } = new AbortController();

async function probe(name: string, options = {}) {
  const source = await findEngine(name, options);
  return probeStore({ source, directory, env: createBenchEnv(), signal });
}

describe('the durability probe', () => {
  test.each([['file'], ['sqlite']])(
    'sees that %s syncs each write before it acknowledges it',
    async (name) => {
      const outcome = await probe(name);
      expect(outcome).toMatchObject({ probe: { acknowledged: 24, covered: 24 } });
    },
  );

  test('sees that a store which forgets its syncs covers no write', async () => {
    const outcome = await probe(fileURLToPath(new URL('support/forgetful-store.mjs', import.meta.url)));
    expect(outcome).toMatchObject({ probe: { acknowledged: 24, covered: 0 } });
  });

  test('sees that a relaxed store does not sync each write', async () => {
    const outcome = await probe('sqlite', { durability: 'relaxed' });
    if ('missing' in outcome) throw new Error(outcome.missing);
    expect(outcome.probe.covered).toBeLessThan(outcome.probe.acknowledged);
  });
});

describe('the judge of a record', () => {
  const marker = Buffer.from('0123456789abcdef0123456789abcdef');
  const data = Buffer.concat([Buffer.alloc(7), marker]);
  const open: TraceOperation[] = ['log', 'other'].map((name, i) => ({
    op: 'open',
    handle: i + 1,
    path: name,
    created: true,
    truncated: false,
    directory: false,
  }));
  const write = (handle: number, synchronous = false): TraceOperation => ({
    op: 'write',
    handle,
    offset: 0,
    data,
    synchronous,
  });
  const sync = (name: string): TraceOperation => ({ op: 'sync', handle: 0, path: name });
  const mark = (kind: typeof beginMark | typeof ackMark): TraceOperation => ({
    op: 'mark',
    text: markOf(kind, 0),
  });
  const covered = (...operations: TraceOperation[]): number =>
    judgeTrace([...open, mark(beginMark), ...operations, mark(ackMark)], [marker]).covered;

  test('asks for a sync of the file in which the entry lies', () => {
    expect(covered(write(1), sync('log'))).toBe(1);
    expect(covered(write(1), sync('other'))).toBe(0);
  });

  test('does not take a sync before the write for one after it', () => {
    expect(covered(sync('log'), write(1))).toBe(0);
  });

  test('takes a synchronous write and a sync of everything', () => {
    expect(covered(write(1, true))).toBe(1);
    expect(covered(write(1), { op: 'sync-all' })).toBe(1);
  });

  test('makes do with any sync for bytes that it cannot find', () => {
    const foreign: TraceOperation = {
      op: 'write',
      handle: 1,
      offset: 0,
      data: Buffer.alloc(9),
      synchronous: false,
    };
    expect(covered(foreign, sync('log'))).toBe(1);
    expect(covered(foreign)).toBe(0);
  });

  test('does not take a sync after the acknowledgement', () => {
    const late = judgeTrace([...open, mark(beginMark), write(1), mark(ackMark), sync('log')], [marker]);
    expect(late).toEqual({ acknowledged: 1, covered: 0, syncs: 1 });
  });
});
