import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { changedSources } from '../src/museum/copy.ts';
import { applyChange, parseExhibit, type Exhibit } from '../src/museum/exhibit.ts';
import { formatPage } from '../src/museum/page.ts';
import { mergeResults, readResults, type Outcome } from '../src/museum/results.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const place = `${root}/tools/simulator/museum`;
const names = readdirSync(place).filter((name) => name.endsWith('.patch'));
const read = (name: string): Exhibit => parseExhibit(name, readFileSync(`${place}/${name}`, 'utf8'));

test.each(names)('%s applies to the sources as they are', (name) => {
  const exhibit = read(name);
  expect(changedSources(root, exhibit).size).toBeGreaterThan(0);
});

test('every section of the list of bugs has three exhibits or more', () => {
  const sections = names.map((name) => read(name).section);
  for (const section of ['2.1', '2.2', '2.3', '2.4', '2.5', '2.6', '2.7', '2.8']) {
    expect([section, sections.filter((one) => one === section).length >= 3]).toEqual([section, true]);
  }
});

test('a change that is not there exactly once is refused', () => {
  const change = { file: 'x.ts', search: 'a', replace: 'b' };
  expect(applyChange('-a-', change)).toBe('-b-');
  expect(() => applyChange('---', change)).toThrow(/0 times/);
  expect(() => applyChange('-a-a-', change)).toThrow(/2 times/);
});

test('results of several runs are kept together, the newest of each exhibit, without those that are gone', () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'balsa-museum-results-'));
  const file = path.join(directory, 'results.json');
  const missed: Outcome = { patch: 'a', on: '2026-01-01', seeds: 3, seconds: 1, caught: undefined };
  const found = { seeds: 2, seconds: 1, events: 9, rule: 'I1 ElectionSafety', message: 'two' };
  try {
    expect(readResults(file).size).toBe(0);
    mergeResults(
      file,
      new Map([
        ['one', missed],
        ['gone', missed],
      ]),
      () => true,
    );
    mergeResults(file, new Map([['two', missed]]), (name) => name !== 'gone');
    mergeResults(file, new Map([['one', { ...missed, caught: found }]]), () => true);
    mergeResults(file, new Map([['one', missed]]), () => true);
    const results = readResults(file);
    expect([...results.keys()]).toEqual(['one', 'two']);
    expect(results.get('one')?.caught).toEqual(found);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

test('the page says of every exhibit whether it is caught, and which are not', () => {
  const [first = '', second = '', third = ''] = names;
  const outcome = (caught: Outcome['caught']): Outcome => {
    return { patch: 'a', on: '2026-01-01', seeds: 40, seconds: 30, caught };
  };
  const page = formatPage(
    [
      {
        exhibit: read(first),
        outcome: outcome({ seeds: 7, seconds: 1.25, events: 9, rule: 'I8 Monotonic', message: '' }),
      },
      { exhibit: read(second), outcome: outcome(undefined) },
      { exhibit: read(third), outcome: undefined },
    ],
    '',
  );
  expect(page).toContain('1 of 3 are caught');
  expect(page).toMatch(/\| 7 \| 1\.\d \| I8 Monotonic \|/);
  expect(page).toContain(`- \`${read(second).name}\`: not caught in 40 seeds`);
  expect(page).toContain(`- \`${read(third).name}\`: not hunted`);
});
