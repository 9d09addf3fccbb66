/** docs/museum-core.md says which bug of others is held off where; this keeps it true. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { elsewhere } from './elsewhere.ts';

const lastRow = 99;
const folder = fileURLToPath(new URL('.', import.meta.url));
const page = fileURLToPath(new URL('../../../../docs/museum-core.md', import.meta.url));
/** `test('#12 (sources): rule'`, as prettier lays it out. */
const title = /^test\(\s*'#(\d+)(?: \(([^)]*)\))?: (.+?)',?/gm;

interface Exhibit {
  readonly row: number;
  readonly source: string;
  readonly rule: string;
  readonly file: string;
}

function exhibits(): Exhibit[] {
  return readdirSync(folder)
    .filter((file) => /^2\.\d.*\.test\.ts$/.test(file))
    .sort()
    .flatMap((file) =>
      [...readFileSync(folder + file, 'utf8').matchAll(title)].map(([, row, source = '', rule = '']) => ({
        row: Number(row),
        source,
        rule,
        file,
      })),
    );
}

function expectedPage(): string {
  const found = exhibits();
  const lines: string[] = [];
  for (let row = 1; row <= lastRow; row++) {
    const here = found.filter((exhibit) => exhibit.row === row);
    for (const { source, rule, file } of here)
      lines.push(`| ${String(row)} | ${source} | ${rule} | \`${file}\` |`);
    if (here.length === 0)
      lines.push(`| ${String(row)} | | not the core's: ${elsewhere[row] ?? 'NOBODY'} | |`);
  }
  return [
    '# The bug museum: raft-core',
    '',
    'Bugs that other implementations of Raft had, each with where it was found and the test that holds it off here',
    '(`packages/raft-core/test/museum`). The numbers are those of the project’s list of such bugs. This page is made by',
    '`museum-page.test.ts`; with `UPDATE_DOCS=1` in the environment that test writes it anew.',
    '',
    '<!-- prettier-ignore -->',
    '| # | found in | what holds here | test |',
    '| --- | --- | --- | --- |',
    ...lines,
    '',
  ].join('\n');
}

test('every row is either tested or somebody else’s, never both', () => {
  const tested = new Set(exhibits().map((exhibit) => exhibit.row));
  for (let row = 1; row <= lastRow; row++)
    expect(tested.has(row) !== row in elsewhere, `row ${String(row)}`).toBe(true);
});

test('docs/museum-core.md is up to date', () => {
  const expected = expectedPage();
  if (process.env['UPDATE_DOCS'] === '1') writeFileSync(page, expected);
  expect(readFileSync(page, 'utf8')).toBe(expected);
});
