/** The table in the README that leads from a rule of the paper to the code. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const home = new URL('../', import.meta.url);
const readme = readFileSync(new URL('README.md', home), 'utf8');
const table = readme.slice(readme.indexOf('## From a rule'), readme.indexOf('## What is where'));
const rows = table
  .split('\n')
  .filter((line) => line.startsWith('|'))
  .slice(2)
  .map((line) => {
    const [rule = '', , file = '', names = ''] = line
      .split(' | ')
      .map((cell) => cell.replace(/^\| | \|$/g, ''));
    return { rule: rule.trim(), file, names };
  });

/** What stands between backticks. */
const quoted = (cell: string): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, text]) => text ?? '');

describe('the table from a rule to its code', () => {
  test('has the rules of the paper', () => {
    expect(rows.length).toBeGreaterThan(30);
  });

  test.each(rows)('leads to $file for: $rule', ({ file, names }) => {
    const [path = 'no file'] = quoted(file);
    const url = new URL(`src/${path}`, home);
    expect(existsSync(fileURLToPath(url))).toBe(true);
    const source = readFileSync(url, 'utf8');
    expect(quoted(names).length).toBeGreaterThan(0);
    for (const name of quoted(names))
      expect(source).toMatch(new RegExp(`^(export )?(function |const |  |  #)?(get )?#?${name}\\b`, 'm'));
  });
});
