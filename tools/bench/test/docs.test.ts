import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { reportMarkdown } from '../src/report/markdown.ts';
import type { BenchReport } from '../src/report/report.ts';
import { faults, type Schema } from './support/schema.ts';

const read = (file: string): string => readFileSync(new URL(`../../../${file}`, import.meta.url), 'utf8');
const report = JSON.parse(read('docs/data/benchmarks.json')) as BenchReport;

test('the data of docs/benchmarks.md are what the schema says', () => {
  const schema = JSON.parse(read('tools/bench/schema/bench-report.schema.json')) as Schema;
  expect(faults(report, schema)).toEqual([]);
});

test('docs/benchmarks.md shows its data (node scripts/benchmarks-page.mjs writes it)', () => {
  // Tables are aligned when the page is written: what counts is the text of the cells.
  const words = (text: string): string[] => text.replace(/-{2,}:?|\|/g, ' ').split(/\s+/);
  const page = read('docs/benchmarks.md');
  const command = /\n(npm run bench .*)\n/.exec(page)?.[1] ?? '';
  expect(words(reportMarkdown(report, { data: 'data/benchmarks.json', command }))).toEqual(words(page));
});
