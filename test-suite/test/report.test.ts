import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { Env, Timer } from '@balsa/raft-core';
import { levels, runConformance, withFailures, type Target } from '@balsa/test-suite';
import { memoryTarget } from '../src/zoo/memory-target.ts';
import { memoryFamily } from '../src/zoo/memory-family.ts';

interface Schema {
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: boolean;
  readonly items?: Schema;
}

const schema = JSON.parse(
  readFileSync(new URL('../schema/conformance-report.schema.json', import.meta.url), 'utf8'),
) as Schema;

/** What is wrong with a value, by the part of JSON Schema that our schema uses. */
function faults(value: unknown, by: Schema, at = 'report'): string[] {
  if (by.const !== undefined && value !== by.const) return [`${at} is not ${JSON.stringify(by.const)}`];
  if (by.enum !== undefined && !by.enum.includes(value)) return [`${at} is ${String(value)}`];
  const kind = Array.isArray(value) ? 'array' : typeof value;
  const types = by.type === undefined ? [kind] : [by.type].flat();
  if (!types.includes(kind) && !(types.includes('integer') && Number.isInteger(value)))
    return [`${at} is of type ${kind}`];
  if (Array.isArray(value))
    return value.flatMap((one, i) => faults(one, by.items ?? {}, `${at}[${String(i)}]`));
  if (typeof value !== 'object' || value === null) return [];
  const { properties = {}, required = [] } = by;
  return [
    ...required.filter((name) => !(name in value)).map((name) => `${at} lacks ${name}`),
    ...Object.entries(value).flatMap(([name, inner]) => {
      const known = properties[name];
      if (known === undefined) return by.additionalProperties === false ? [`${at} has ${name}`] : [];
      return faults(inner, known, `${at}.${name}`);
    }),
  ];
}

/** A clock that stands still, and timers that never ring. */
const stopped: Pick<Env, 'now' | 'setTimer'> = {
  now: () => 0,
  setTimer: (): Timer => ({ cancel: () => undefined }),
};
/** Timers that ring at once. */
const hasty: Pick<Env, 'now' | 'setTimer'> = {
  now: () => 0,
  setTimer: (_ms, callback) => {
    const timer = setTimeout(callback, 0);
    return { cancel: () => clearTimeout(timer) };
  },
};

const destroy = (): Promise<void> => Promise.resolve();
const broken = memoryFamily.animals.find(({ killer }) => killer === 'read/limit-exact')!;

describe('the report', () => {
  test.each([
    ['of a correct store', memoryTarget(), 'B'],
    ['of a broken store', broken.target, 'F'],
  ] as const)('%s is what the schema says', async (_name, target, grade) => {
    const report = await runConformance(target, { env: stopped, levels: ['core', 'corruption'] });
    expect(faults(JSON.parse(JSON.stringify(report)), schema)).toEqual([]);
    expect(report.grade).toBe(grade);
    expect(report.levels.map(({ level }) => level)).toEqual(levels);
  });

  test('of something else is not', () => {
    expect(faults({ format: 'other' }, schema)).toContain('report lacks grade');
    expect(faults({ format: 'other' }, schema)).toContain('report.format is not "balsa-conformance/1"');
  });

  test('never counts what does not apply as passed, and says why', async () => {
    const bare: Target = { ...memoryTarget(), abilities: [], orderedStore: false };
    const report = await runConformance(bare, { env: stopped, levels: ['crash', 'power'] });
    for (const { status, reason } of report.cases) {
      expect(status).toBe('not-applicable');
      expect(reason).toContain('does not give');
    }
    expect(report.levels.every(({ passed }) => passed === 0)).toBe(true);
  });

  test.each<[string, unknown, string]>([
    ['no place', undefined, 'what target.create() resolves with has no method open, destroy'],
    ['a place without an end', { open: () => Promise.resolve({}) }, 'has no method destroy'],
    [
      'a string thrown',
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- a store may
      { open: () => Promise.reject('no disk'), destroy },
      "rejected with 'no disk', which is no Error",
    ],
    [
      'an engine without a promise',
      { open: () => ({ capabilities: {} }), destroy },
      'harness.open() has to give a promise of an engine, not {',
    ],
    [
      'half an engine',
      { open: () => Promise.resolve({ close: destroy }), destroy },
      'harness.open() resolves with has no method identity, stamp, group',
    ],
  ])('says what a target has to give: %s', async (_, place, text) => {
    const target = { name: 'half', create: () => Promise.resolve(place) } as Target;
    const report = await runConformance(target, { env: stopped, only: ['append/extends'] });
    expect(report.cases[0]?.status).toBe('failed');
    expect(report.cases[0]?.reason).toContain(text);
  });

  test('names an ability that there is not: its cases would never run', async () => {
    const target = { ...memoryTarget(), abilities: ['crash', 'fles'] } as unknown as Target;
    const report = await runConformance(target, { env: stopped, only: ['capabilities/abilities-are-given'] });
    expect(report.cases[0]?.reason).toContain('there is no ability fles; there are files, child,');
  });

  test('does not pass histories of which none was tried', async () => {
    const report = await runConformance(memoryTarget(), { env: stopped, levels: ['model'], runs: 0 });
    for (const one of report.cases) expect(one.reason).toBe('at least one history has to be tried, not 0');
    expect(report.cases.map(({ status }) => status)).not.toContain('passed');
  });

  test('says how a failure is replayed', async () => {
    const report = await runConformance(broken.target, { env: stopped, only: ['read/limit-exact'], seed: 7 });
    expect(report.cases[0]).toMatchObject({
      status: 'failed',
      replay: ['--only', 'read/limit-exact', '--seed', '7'],
    });
  });

  test('a call that never settles is a failure of its case', async () => {
    const hanging = memoryTarget('hanging', () => (engine) => {
      engine.identity = () => new Promise(() => undefined);
      return engine;
    });
    const report = await runConformance(hanging, {
      env: hasty,
      only: ['identity/stamp-survives-reopen'],
      caseTimeoutMs: 1,
    });
    expect(report.cases[0]?.reason).toContain('never settles');
  });

  test('leaves out, by name, what was not begun when the run was stopped', async () => {
    const stop = new AbortController();
    const report = await runConformance(memoryTarget(), {
      env: stopped,
      levels: ['core'],
      signal: stop.signal,
      onCase: (_one, { position }) => {
        if (position === 3) stop.abort();
      },
    });
    const statuses = report.cases.map(({ status }) => status);
    expect(statuses.slice(0, 2)).toEqual(['passed', 'passed']);
    expect(new Set(statuses.slice(3))).toEqual(new Set(['not-run']));
  });

  test('a place that was still being made when the run was stopped is destroyed as well', async () => {
    const stop = new AbortController();
    const destroyed: number[] = [];
    let made = 0;
    const target: Target = {
      ...memoryTarget(),
      create: async () => {
        const place = await memoryTarget().create();
        const name = ++made;
        // The second place is that of the first case, after the look at the capabilities.
        if (name === 2) stop.abort();
        await Promise.resolve();
        return {
          ...place,
          open: place.open.bind(place),
          destroy: () => {
            destroyed.push(name);
            return place.destroy();
          },
        };
      },
    };
    await runConformance(target, { env: stopped, levels: ['core'], signal: stop.signal });
    expect(destroyed).toEqual([1, 2]);
  });

  test('a case that was cut short makes nothing anew in a place that is destroyed', async () => {
    const stop = new AbortController();
    const events: string[] = [];
    const target: Target = {
      ...memoryTarget(),
      create: async () => {
        const place = await memoryTarget().create();
        return {
          open: async () => {
            events.push('open');
            // The second opening is that of the case; each further one comes after the stop.
            if (events.filter((one) => one === 'open').length === 2) stop.abort();
            await new Promise((resolve) => setTimeout(resolve, 0));
            return place.open();
          },
          destroy: async () => {
            events.push('destroy');
          },
        };
      },
    };
    const setTimer = (ms: number, callback: () => void): Timer => {
      const timer = setTimeout(callback, ms);
      return { cancel: () => clearTimeout(timer) };
    };
    const env = { now: () => 0, setTimer };
    await runConformance(target, { env, only: ['close/many-lives'], signal: stop.signal });
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(events).toEqual(['open', 'destroy', 'open', 'destroy']);
  });

  test('takes what was found beside the checks for failures, and grades anew', async () => {
    const report = await runConformance(memoryTarget(), {
      env: stopped,
      only: ['append/extends', 'close/many-lives'],
    });
    expect(withFailures(report, [])).toBe(report);
    const one = { id: 'append/extends', reason: 'nobody handled it' };
    const failed = withFailures(report, [one, one]);
    expect(failed.grade).toBe('F');
    expect(failed.levels.find(({ level }) => level === 'core')).toMatchObject({ passed: 0, failed: 1 });
    expect(failed.cases.find(({ id }) => id === one.id)).toMatchObject({
      status: 'failed',
      reason: 'nobody handled it',
      replay: ['--only', 'append/extends', '--seed', String(report.seed)],
    });
    const before = withFailures(report, [{ id: undefined, reason: 'at the import' }]);
    expect(before.cases[0]).toMatchObject({ status: 'failed', reason: 'at the import' });
  });
});
