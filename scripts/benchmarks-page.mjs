/**
 * docs/benchmarks.md, generated from the report of a run.
 *
 *   node scripts/benchmarks-page.mjs [REPORT.json]
 *
 * With a report of `balsa bench --json`, it becomes docs/data/benchmarks.json first.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import * as prettier from 'prettier';
import { reportMarkdown } from '../tools/bench/dist/report/markdown.js';

const page = 'docs/benchmarks.md';
const data = 'docs/data/benchmarks.json';

async function write(file, text, parser) {
  writeFileSync(file, await prettier.format(text, { ...(await prettier.resolveConfig(file)), parser }));
}

const [given] = process.argv.slice(2);
if (given !== undefined) await write(data, readFileSync(given, 'utf8'), 'json');
const report = JSON.parse(readFileSync(data, 'utf8'));
const flag = report.mode === 'standard' ? '' : ` --${report.mode}`;
const hasRival = report.cells.some(({ rows }) => rows.some(({ kind }) => kind === 'rival'));
const rival = hasRival ? ' --etcd etcd' : '';
const command = `npm run bench --${flag}${rival} --json out.json --html out.html`;
const text = reportMarkdown(report, { data: 'data/benchmarks.json', command });
await write(page, text, 'markdown');
process.stderr.write(`${page} is written from ${given ?? data}\n`);
