import { readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import type { DemoReport } from '../src/demo/demo.ts';
import { balsa, temporaryFolder } from './processes.ts';

test('the story ends well on an input of its own, with one line of JSON', async () => {
  await using folder = await temporaryFolder();
  const input = path.join(folder.path, 'in.jsonl');
  const lines = Array.from({ length: 300 }, (_, i) =>
    JSON.stringify({ key: `k${i}`, value: { i, text: 'x'.repeat(i) } }),
  );
  await writeFile(input, `${lines.join('\n')}\n`);
  const { code, stdout, stderr } = await balsa(
    'demo',
    '--json',
    '--input',
    input,
    '--seed',
    '7',
    '--storage',
    'sqlite,redis,rocksdb',
  );
  expect(code, stderr).toBe(0);
  const report = JSON.parse(stdout) as DemoReport;
  expect(report).toMatchObject({
    ok: true,
    keys: 300,
    lostWrites: 0,
    storages: ['sqlite', 'redis', 'rocksdb'],
  });
  expect(new Set(report.digests).size).toBe(1);
  expect(report.digests).toHaveLength(3);
  for (const count of ['leaderChanges', 'compactions', 'snapshotsSent', 'snapshotsInstalled'] as const) {
    expect(report[count], count).toBeGreaterThan(0);
  }
  expect(report.acknowledgedWrites).toBeGreaterThan(300);
});

test('a bad input line is named, and the report says that it is not ok', async () => {
  await using folder = await temporaryFolder();
  const input = path.join(folder.path, 'in.jsonl');
  await writeFile(input, '{"key":"a","value":1}\nnope\n');
  const { code, stdout, stderr } = await balsa('demo', '--json', '--input', input);
  expect(code).toBe(1);
  expect(JSON.parse(stdout)).toMatchObject({ ok: false });
  expect(stderr).toContain('in.jsonl:2: not JSON');
  expect(await readdir(folder.path)).toEqual(['in.jsonl']);
});
