import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { changedSources } from '../src/museum/copy.ts';
import { applyChange, parseExhibit, type Exhibit } from '../src/museum/exhibit.ts';

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
