import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { launch, type Browser } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { metricOf, ratioOf } from '../src/measure/rows.ts';
import { reportMarkdown } from '../src/report/markdown.ts';
import { reportText } from '../src/report/table.ts';
import { reportPage } from '../src/report/html/page.ts';
import { reportFormat, type BenchReport, type Cell, type Row } from '../src/report/report.ts';

const figures = [
  'throughput',
  'p50',
  'p99',
  'p999',
  'max',
  'create',
  'stream',
  'install',
  'open',
  'unavailable',
];

function row(label: string, kind: Row['kind'], scale: number): Row {
  const ratio = ratioOf([scale, scale * 1.1]);
  return {
    ...{ label, kind, durability: 'durable' },
    metrics: Object.fromEntries(
      figures.map((name, i) => [name, metricOf('ms', 'lower', [scale * (i + 1), scale * (i + 2)])]),
    ),
    ratios: ratio === undefined || kind === 'floor' ? {} : { 'growing p50': ratio },
  };
}

function cell(workload: string, title: string, parameters: Cell['parameters']): Cell {
  const rows = [
    row('floor: growing file', 'floor', 1),
    row('bare client', 'bare', 1.2),
    row('<b>store', 'adapter', 2),
  ];
  return { workload, title, parameters, rows };
}

const report: BenchReport = {
  ...{ format: reportFormat, mode: 'quick', startedAt: '2026-01-01', seconds: 1, complete: false },
  machine: {
    ...{
      cpu: 'x & y',
      cores: 2,
      memoryBytes: 1e9,
      platform: 'linux',
      kernel: '6',
      node: 'v20',
      directory: '/tmp',
    },
    ...{ fileSystem: 'ext4', device: '/dev/x', mountOptions: 'rw', writeCache: 'write back' },
    ...{ loadBefore: 2, loadAfter: 2, commit: 'abc' },
  },
  settings: { payload: 'random', rounds: 2, sliceMs: 1 },
  warnings: ['the load average was high'],
  stores: [
    { label: '<b>store', engine: 'x', engineVersion: '1', status: 'durable', reason: 'seen', probe: null },
    {
      label: 'liar',
      engine: null,
      engineVersion: null,
      status: 'refused',
      reason: 'gets no number',
      probe: null,
    },
  ],
  cells: [
    ...[1, 16].map((batch) => cell('append', `batch ${batch}`, { batch, payloadBytes: 256, groups: 1 })),
    cell('open', '1000 entries/s', { rate: 1000 }),
    cell('read', 'the tail', { place: 'tail' }),
    cell('snapshot', '1 MiB', { bytes: 1 }),
    cell('compaction', 'cycles', { cycles: 2 }),
    cell('reopen', '10 entries', { entries: 10 }),
    ...[1, 16].map((clients) => cell('cluster', `${clients} clients`, { clients })),
    cell('failover', 'killed', { kills: 1 }),
  ],
  bars: [{ label: 's', text: 'fast enough', required: 1, measured: 0.5, met: false, bare: 0.525 }],
  profiles: [
    { label: 's', cell: 'batch 1', functions: [{ name: 'write', share: 0.5 }] },
    {
      ...{ label: 'leader', cell: '16 clients', functions: [{ name: 'socket writes', share: 0.25 }] },
      figures: [{ name: 'us CPU a SET', value: 42.5 }],
    },
  ],
};

const page = reportPage(report);

describe('the page', () => {
  test('fetches nothing from anywhere', () => {
    expect(page).not.toMatch(/(?:src|href)="https?:/);
    expect(page).not.toMatch(/<(?:script|link rel="stylesheet")/);
    expect(page).not.toContain('@import');
  });

  test('escapes what it is told', () => {
    expect(page).not.toContain('<b>store');
    expect(page).toContain('&lt;b&gt;store');
  });

  test('draws in variables of the style sheet, so that it serves light and dark', () => {
    expect(page).toContain('var(--row-0)');
    expect(page).not.toMatch(/"#0[0-9a-f]{5}"/);
  });

  test('says what was refused, what was missed and that it is not whole', () => {
    expect(page).toMatch(/liar[^]*refused[^]*gets no number/);
    expect(page).toMatch(/fast enough[^]*missed/);
    expect(page).toContain('stopped before its end');
  });

  test('says where the time went, and what a process of a cluster cost, as the other forms do', () => {
    expect(page).toMatch(/leader, 16 clients[^]*42\.5 us CPU a SET[^]*socket writes[^]*25\.0 %/);
    expect(reportText(report)).toMatch(/leader, 16 clients: 25 % socket writes; 42\.5 us CPU a SET/);
    const markdown = reportMarkdown(report, { data: 'x.json', command: 'bench' });
    expect(markdown).toMatch(/leader, 16 clients[^\n]*25 % `socket writes`\. 42\.5 us CPU a SET\./);
  });
});

const chromium = [
  process.env['CHROMIUM'] ?? '',
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
].find((file) => file !== '' && existsSync(file));
const without =
  chromium === undefined ? ' [not run: no chromium here; install one or name it in CHROMIUM]' : '';

describe.skipIf(chromium === undefined)(`the page in a browser${without}`, () => {
  let browser: Browser;
  let directory = '';
  beforeAll(async () => {
    directory = mkdtempSync(path.join(tmpdir(), 'balsa-page-'));
    writeFileSync(path.join(directory, 'report.html'), page);
    browser = await launch({ executablePath: chromium ?? '', args: ['--no-sandbox', '--disable-gpu'] });
  });
  afterAll(async () => {
    await browser.close();
    rmSync(directory, { recursive: true, force: true });
  });

  test.each(['light', 'dark'])('opens without an error in %s, with all its drawings', async (scheme) => {
    const tab = await browser.newPage();
    const complaints: string[] = [];
    tab.on('console', (message) => complaints.push(message.text()));
    tab.on('pageerror', (error) => complaints.push(String(error)));
    tab.on('requestfailed', (request) => complaints.push(request.url()));
    await tab.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
    await tab.setViewport({ width: 1100, height: 800 });
    await tab.goto(pathToFileURL(path.join(directory, 'report.html')).href);
    const seen = (await tab.evaluate(`({
      drawings: [...document.querySelectorAll('figure svg')].filter((svg) => svg.getBoundingClientRect().height > 100).length,
      tables: document.querySelectorAll('table').length,
      wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
      paper: getComputedStyle(document.body).backgroundColor,
      bar: getComputedStyle(document.querySelector('figure svg [fill^="var(--row"]')).fill,
    })`)) as Record<string, unknown>;
    expect(complaints).toEqual([]);
    expect(seen).toMatchObject({ drawings: 8, wide: 0 });
    expect(seen['tables']).toBeGreaterThan(10);
    expect(seen['paper']).toBe(scheme === 'light' ? 'rgb(255, 255, 255)' : 'rgb(20, 23, 27)');
    expect(seen['bar']).toBe(scheme === 'light' ? 'rgb(0, 114, 178)' : 'rgb(86, 180, 233)');
    await tab.close();
  });
});
