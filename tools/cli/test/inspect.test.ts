import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { truncateSync, writeFileSync, watch } from 'node:fs';
import { appendFile, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { persistentEngineNames } from '@balsa/engines';
import { BalsaError } from '@balsa/raft-core';
import { openMemoryEngine } from '@balsa/raft-core/memory';
import { parseRange } from '../src/inspect/command.ts';
import { preview } from '../src/inspect/describe.ts';
import type { InspectOptions } from '../src/inspect/inspect.ts';
import { look } from '../src/inspect/look.ts';
import { copyInto, listFiles, Scratch } from '../src/inspect/scratch.ts';
import { verify } from '../src/inspect/verify.ts';
import {
  clusterId,
  damage,
  fill,
  inspectJson,
  inspectText,
  makeStore,
  marks,
  noteStorage,
  traces,
} from './inspect-fixture.ts';
import { balsa, balsaWith, contents, mainFile, temporaryFolder } from './processes.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let data: string;
let scratch: string;

beforeEach(async () => {
  folder = await temporaryFolder();
  data = path.join(folder.path, 'data');
  scratch = path.join(folder.path, 'scratch');
  await mkdir(scratch);
});
afterEach(async () => {
  const left = await readdir(scratch);
  await folder[Symbol.asyncDispose]();
  expect(left).toEqual([]);
});

describe.each(persistentEngineNames)('balsa inspect of %s', { timeout: 60_000 }, (engine) => {
  test('says what is in a store, and leaves every byte and every time as it was', async () => {
    await makeStore(engine, data);
    const before = await traces(data);
    const { code, stderr, report } = await inspectJson(data, scratch, {
      verify: true,
      entries: { from: 1, to: 100 },
    });
    expect([stderr, code]).toEqual(['', 0]);
    expect(await traces(data)).toEqual(before);
    expect(report).toMatchObject({ schemaVersion: 1, directory: data, ok: true });
    const [node] = report.nodes;
    expect(node).toMatchObject({
      storage: engine,
      directory: data,
      identity: { clusterId, nodeId: 2 },
      stores: [{ name: 'kv', appliedIndex: 7, pairs: 3 }],
      verified: { entries: 6, chunks: 3, pairs: 3 },
      problems: [],
    });
    const [group] = node!.groups;
    expect(group).toMatchObject({
      name: 'main',
      term: 3,
      vote: 1,
      commit: 7,
      applied: 7,
      members: { index: 6, voters: [1, 2], votersOutgoing: [1, 3], learners: [4], autoLeave: true },
      log: {
        firstIndex: 4,
        lastIndex: 9,
        boundary: { index: 3, term: 2 },
        terms: [
          { index: 4, term: 2 },
          { index: 5, term: 3 },
        ],
      },
      snapshots: [
        { index: 7, term: 3, chunks: 1, bytes: 5 },
        { index: 3, term: 2, chunks: 2, bytes: 23, origin: 'created' },
      ],
    });
    expect(group!.log.bytes).toBeGreaterThan(0);
    expect(group!.changes.map(({ index }) => index)).toEqual([6]);
    expect(group!.listed!.entries.map(({ index, type, does }) => [index, type, does])).toEqual([
      [4, 'normal', 'SET "key" "value" if absent'],
      [5, 'normal', 'nothing: begins a term'],
      [6, 'conf-change', 'add voter 2, remove 3'],
      [7, 'normal', '0xff0001'],
      [8, 'normal', `"plain: ${marks.entry}"`],
      [9, 'normal', expect.stringMatching(/^SET "key-9" "x{40}"\.\.\. \(100 B\) if absent$/)],
    ]);
  });

  test('finds a flipped bit in an entry, names it as it lies in the data, and changes nothing', async () => {
    await makeStore(engine, data);
    await damage(data, marks.entry);
    const before = await traces(data);
    const { code, report } = await inspectJson(data, scratch, { verify: true });
    expect(code).toBe(1);
    expect(report.ok).toBe(false);
    const [problem, ...others] = report.nodes[0]!.problems;
    expect(others).toEqual([]);
    expect(['STORE_CORRUPT', 'STORE_ACKNOWLEDGED_WRITE_LOST']).toContain(problem!.code);
    expect(problem!.message).not.toContain(scratch);
    expect(problem!.remedy).toContain('add a new one with a new id');
    expect(await traces(data)).toEqual(before);
  });
});

describe('balsa inspect --verify', { timeout: 60_000 }, () => {
  test('reads what lies behind damage, and every chunk of a snapshot, which opening alone does not', async () => {
    await makeStore('sqlite', data);
    await damage(data, marks.entry);
    const file = await damage(data, marks.chunk);
    expect((await inspectJson(data, scratch)).report.nodes[0]!.problems).toEqual([]);
    const { code, report } = await inspectJson(data, scratch, { verify: true });
    expect(code).toBe(1);
    const [node] = report.nodes;
    expect(node!.problems).toMatchObject([
      { where: 'group main', code: 'STORE_CORRUPT', message: 'entry 8 does not match its checksum' },
      { where: 'group main', code: 'STORE_CORRUPT' },
    ]);
    expect(node!.problems[1]!.message).toContain(`chunk 1 of snapshot file ${file} does not match`);
    expect(node!.verified).toEqual({ entries: 5, chunks: 2, pairs: 3 });
    const { stdout } = await inspectText(data, scratch, { verify: true });
    expect(stdout).toMatch(/PROBLEM +group main: .*\(STORE_CORRUPT\)/s);
    expect(stdout).toContain('What to do: Do not delete files.');
  });

  test('reads every pair, and holds the store to their number', async () => {
    const engine = openMemoryEngine();
    await fill(engine);
    const looked = await look(engine, { group: undefined, entries: undefined });
    const clean = await verify(engine, looked, () => undefined);
    expect(clean).toEqual({ verified: { entries: 6, chunks: 3, pairs: 3 }, problems: [] });
    const store = engine.orderedStore('kv');
    const range = store.range.bind(store);
    store.range = async (options) =>
      options.gt === undefined ? (await range(options)).slice(1) : range(options);
    const short = await verify(engine, looked, () => undefined);
    expect(short.problems).toMatchObject([
      { where: 'ordered store kv', message: 'the ordered store kv gives 2 pairs, and says that it has 3' },
    ]);
    store.range = () => Promise.reject(new BalsaError('STORE_CORRUPT', 'a pair is damaged'));
    const damaged = await verify(engine, looked, () => undefined);
    expect(damaged.problems).toMatchObject([{ where: 'ordered store kv', message: 'a pair is damaged' }]);
    await engine.close();
  });

  test('counts a snapshot that the store leaves out because it is damaged', async () => {
    await makeStore('file', data);
    const file = await damage(data, marks.chunk);
    const before = await traces(data);
    const found = await inspectJson(data, scratch, { verify: true });
    expect(found.code).toBe(1);
    expect(found.report.nodes[0]!.problems).toMatchObject([{ code: 'STORE_CORRUPT', where: 'group main' }]);
    expect(await traces(data)).toEqual(before);

    await writeFile(file, 'nothing of a snapshot');
    const left = await inspectJson(data, scratch);
    expect(left.code).toBe(1);
    expect(left.report.nodes[0]!.problems[0]!.message).toContain('is damaged and is ignored');
  });

  test('says why a node will not start on data that are whole', async () => {
    await makeStore('file', data, { applied: 12 });
    const { code, report } = await inspectJson(data, scratch);
    expect(code).toBe(1);
    expect(report.nodes[0]!.problems).toMatchObject([
      {
        code: 'STATE_AHEAD_OF_LOG',
        where: 'group main',
        message: expect.stringContaining('ends at 9') as string,
      },
    ]);
    await rm(data, { recursive: true });
    await makeStore('file', data, { applied: 1 });
    // The snapshot at 3 brings it forward.
    expect((await inspectJson(data, scratch)).code).toBe(0);
    await rm(path.join(data, 'snapshots'), { recursive: true });
    expect((await inspectJson(data, scratch)).report.nodes[0]!.problems).toMatchObject([
      { code: 'STATE_BEHIND_LOG', where: 'group main' },
    ]);
  });
});

describe('what balsa inspect prints', { timeout: 60_000 }, () => {
  test('fits a hundred columns, without colours, a thousand entries at a time', async () => {
    await makeStore('file', data, { last: 1_200, store: 'loud\u001b[31m' });
    // As a person runs it.
    const { code, stdout, stderr } = await balsaWith(
      { env: { TMPDIR: scratch } },
      ...['inspect', data, '--entries', '1..5000'],
    );
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).not.toContain('\x1b');
    expect(stdout).toContain('loud\ufffd[31m');
    const lines = stdout.split('\n');
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(100);
    expect(lines.filter((line) => /^ +\d+ +\d +normal /.test(line))).toHaveLength(999);
    expect(stdout).toContain('1000 at a time: go on with --entries 1004..1200');
    expect(stdout).toContain(
      'members       joint, left by itself: voters 1 2, leaving voters 1 3, learners 4',
    );
    expect(stdout).toContain('terms         2 from 4, 3 from 5');
    expect(stdout).toContain('nothing is wrong with what was read; --verify reads all of it');

    const rest = await inspectText(data, scratch, { entries: { from: 1004, to: 1200 } });
    expect(rest.stdout).toMatch(/\n +1200 +3 +normal +1\d\d +SET "key-1200"/);
    expect(rest.stdout).not.toContain('go on with');
    const none = await inspectText(data, scratch, { entries: { from: 2000, to: 3000 } });
    expect(none.stdout).toContain('none of those asked for: the log has 4..1200');
  });

  test.each([
    ['text', 'h\u00e9llo', '"h\u00e9llo"'],
    ['what only looks like text', 'a\u001b[31mred', '0x611b5b33316d726564'],
    ['nothing', '', '""'],
    ['much', 'y'.repeat(41), `"${'y'.repeat(40)}"... (41 B)`],
    ['a character at the cut', `${'z'.repeat(319)}\u20ac`, `"${'z'.repeat(40)}"... (322 B)`],
  ])('shows %s', (_what, text, shown) => {
    expect(preview(new TextEncoder().encode(text))).toBe(shown);
  });

  test('shows bytes that are no text', () => {
    expect(preview(Uint8Array.of(0xc3, 0x28))).toBe('0xc328');
    expect(preview(new Uint8Array(17))).toBe(`0x${'00'.repeat(16)}... (17 B)`);
  });
});

describe('the copy that balsa inspect makes', { timeout: 60_000 }, () => {
  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('is gone after %s', async (signal, code) => {
    await makeStore('file', data);
    // Zeros of no length on the disk, and of some seconds to copy.
    truncated(path.join(data, 'watermark.bulk'), 2 ** 33);
    const child = spawn(process.execPath, [mainFile, 'inspect', data, '--scratch', scratch], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = once(child, 'close');
    const watcher = watch(scratch);
    // Once, as it appears: its removal is a change as well, and a signal then finds a process that is ending.
    watcher.once('change', () => child.kill(signal));
    expect(await ended).toEqual([code, null]);
    watcher.close();
    expect(await readdir(scratch)).toEqual([]);
  });

  // A copy that is begun all the same would fill the disk.
  test('is refused where it does not fit, with how much it takes', { timeout: 10_000 }, async () => {
    await makeStore('file', data);
    truncated(path.join(data, 'watermark.bulk'), 2 ** 43);
    const { code, report } = await inspectJson(data, scratch);
    expect(code).toBe(1);
    expect(report.nodes[0]!.problems).toMatchObject([
      {
        code: 'SCRATCH_TOO_SMALL',
        message: expect.stringMatching(/takes 8\.0 TiB, and .* left: .*--scratch DIR/) as string,
      },
    ]);
  });

  test('is refused when somebody writes to the data meanwhile', async () => {
    await makeStore('file', data);
    const files = await listFiles(data);
    const copy = await Scratch.create(scratch, data);
    const copying = copyInto(copy, data, files, () => {
      writeFileSync(path.join(data, 'owner'), 'another owner...');
    });
    await expect(copying).rejects.toMatchObject({
      code: 'STORE_LOCKED',
      message: expect.stringContaining('owner changed while it was copied') as string,
    });
    await copy.remove();
  });

  test('follows links, so that nothing written to it comes back to the data', async () => {
    const elsewhere = path.join(folder.path, 'elsewhere');
    await mkdir(elsewhere);
    await writeFile(path.join(elsewhere, 'file'), 'first');
    await mkdir(data);
    await symlink(elsewhere, path.join(data, 'linked'));
    await symlink('.', path.join(data, 'endless'));
    await symlink('nowhere', path.join(data, 'broken'));
    const copy = await Scratch.create(scratch, data);
    await copyInto(copy, data, await listFiles(data), () => undefined);
    await appendFile(path.join(copy.directory, 'linked', 'file'), ' second');
    expect(Object.keys(await contents(copy.directory)).sort()).toEqual([
      'linked',
      path.join('linked', 'file'),
    ]);
    await copy.remove();
    expect(await readFile(path.join(elsewhere, 'file'), 'utf8')).toBe('first');
  });
});

describe('balsa inspect refuses', { timeout: 60_000 }, () => {
  test.each([
    ['a directory that is not there', 'absent', /Cannot read .*absent: ENOENT/],
    [
      'one with nothing in it',
      'scratch',
      /Looked for storage\.json \(a node\), node-1.*log\.db \(sqlite\).*nothing at all/,
    ],
    ['one of something else', '.', /holds no data that Balsa knows.*there is scratch/],
  ])('%s with exit code 2', async (_what, name, words) => {
    const before = await contents(folder.path);
    const { code, report } = await inspectJson(path.join(folder.path, name), scratch);
    expect(code).toBe(2);
    expect(report).toMatchObject({ ok: false, nodes: [], error: { code: 'STORE_NOT_FOUND' } });
    expect(report.error!.message).toMatch(words);
    expect(await contents(folder.path)).toEqual(before);
  });

  test('what the data do not fit, or what would lead away from the copy, with exit code 2', async () => {
    await makeStore('file', data);
    const before = await traces(data);
    const refusals: [RegExp, Partial<InspectOptions>][] = [
      [/cannot hold data of sqlite and of another engine: .*file \(found in it\)/, { storage: 'sqlite' }],
      [/--storage is one of sqlite, redis, rocksdb, file, not memory/, { storage: 'memory' }],
      [/there is no group other; there are: main/, { group: 'other' }],
      [/the option url leads to data in use/, { storageOption: { url: 'redis://127.0.0.1' } }],
      [/the engine file has no option wroker/, { storageOption: { wroker: '1' } }],
      [/the copy cannot be made within the data/, { scratch: data }],
      [/a copy cannot be made in .*absent: ENOENT/, { scratch: path.join(folder.path, 'absent') }],
    ];
    for (const [words, options] of refusals) {
      const { code, stderr, stdout } = await inspectText(data, scratch, options);
      expect([code, stdout]).toEqual([2, '']);
      expect(stderr).toMatch(words);
    }
    expect(await traces(data)).toEqual(before);
  });

  test.each(['7', '7..3', '1..x', '-1..5', '1..99999999999999999'])('the range %s', (text) => {
    expect(() => parseRange(text)).toThrow('Expected FROM..TO, for example 100..200');
  });

  test('no arguments, with exit code 2', async () => {
    const { code, stderr } = await balsa('inspect');
    expect([code, stderr]).toEqual([2, expect.stringContaining("missing required argument 'dir'")]);
  });

  test('a node whose note names an engine that left nothing there, or one that only knows itself', async () => {
    await mkdir(data);
    await noteStorage(data, 'rocksdb');
    const gone = await inspectJson(data, scratch);
    expect([gone.code, gone.report.error!.code]).toEqual([2, 'STORE_NOT_FOUND']);
    expect(gone.report.error!.message).toContain('has no db/CURRENT');
    await noteStorage(data, '/srv/mine.mjs');
    const { code, stderr } = await inspectText(data, scratch);
    expect([code, stderr]).toEqual([2, expect.stringContaining('data of the module /srv/mine.mjs')]);
    await writeFile(path.join(data, 'storage.json'), '{');
    expect((await inspectJson(data, scratch)).report.error!.code).toBe('STORE_CORRUPT');
    // Who knows what the data are gets past the damaged note.
    await makeStore('file', path.join(data, 'store'));
    expect((await inspectJson(data, scratch, { storage: 'file' })).code).toBe(0);
  });
});

/** A file of that many zeros which are nowhere. */
function truncated(file: string, bytes: number): void {
  writeFileSync(file, '');
  truncateSync(file, bytes);
}
