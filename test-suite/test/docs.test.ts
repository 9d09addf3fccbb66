import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { orderedCases, storageCases } from '@balsa/test-suite';

const page = readFileSync(new URL('../../docs/conformance.md', import.meta.url), 'utf8');
const rows = [...page.matchAll(/^\| (\d+) +\|([^|]*)\|([^|]*)\|$/gm)].map(([, number, idea, answer]) => ({
  number: Number(number),
  idea: String(idea).trim(),
  answer: String(answer).trim(),
}));
const ids = new Set([...storageCases, ...orderedCases].map(({ id }) => id));

test('every one of the 102 ideas has a row, in order', () => {
  expect(rows.map(({ number }) => number)).toEqual(Array.from({ length: 102 }, (_, i) => i + 1));
});

test('every row names a case or a reason, and every case named exists', () => {
  for (const { number, answer } of rows) {
    expect(answer.length, `row ${String(number)}`).toBeGreaterThan(10);
    for (const [, id] of answer.matchAll(/`([^`]+)`/g)) expect(ids, `row ${String(number)}`).toContain(id);
    for (const [, id] of answer.matchAll(/\(([a-z-]+\/[a-z-]+)[,)]/g)) expect(ids).toContain(id);
  }
});
