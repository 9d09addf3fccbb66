/** Stores with something of everything in them, for `balsa inspect`. */
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { findEngine } from '@balsa/engines';
import { encodeCommand } from '@balsa/kv';
import {
  ConfChangeTransition,
  ConfChangeType,
  EmptyConfState,
  encodeConfChange,
  Entry,
  EntryType,
  type Engine,
  type SnapshotMetadata,
  type Storage,
} from '@balsa/raft-core';
import { createNodeEnv } from '@balsa/raft-node';
import { inspect, type InspectOptions } from '../src/inspect/inspect.ts';
import type { InspectReport } from '../src/inspect/report.ts';
import { contents } from './processes.ts';

const text = new TextEncoder();

/** Bytes that stand nowhere else, so that they are found in a file. */
export const marks = {
  entry: 'the-marked-entry',
  chunk: 'the-marked-chunk',
  pair: 'the-marked-pair',
} as const;

export const clusterId = '00000000000000ab';

/** As the runtime wraps what is proposed: version, flags, incarnation, counter. */
function enveloped(payload: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from([1, 0]), Buffer.alloc(16, 7), payload]);
}

function set(key: string, value: string): Uint8Array {
  const command = { op: 'set', key: text.encode(key), value: text.encode(value), get: false } as const;
  return enveloped(encodeCommand({ ...command, condition: 'nx' }));
}

const confState = {
  ...EmptyConfState,
  voters: [1, 2],
  votersOutgoing: [1, 3],
  learners: [4],
  autoLeave: true,
};

/** Entries 4..`last` of terms 2 and 3 behind a compaction to 3, with snapshots at 3 and 7; entry 6 changes the membership. */
export interface FillOptions {
  readonly last?: number;
  /** Of the key-value state. */
  readonly applied?: number;
  /** Name of one more ordered store. */
  readonly store?: string;
}

export async function fill(
  engine: Engine,
  { last = 9, applied = 7, store: more }: FillOptions = {},
): Promise<void> {
  const { maxEntryBytes } = engine.capabilities;
  await engine.stamp({ clusterId, nodeId: 2, incarnation: 'aaaaaaaaaaaaaaaa', maxEntryBytes });
  const storage = engine.group('main');
  await storage.open();
  const change = encodeConfChange({
    version: 2,
    transition: ConfChangeTransition.Auto,
    changes: [
      { type: ConfChangeType.AddNode, nodeId: 2 },
      { type: ConfChangeType.RemoveNode, nodeId: 3 },
    ],
    context: new Uint8Array(),
  });
  const entries = [
    new Entry(2, 1),
    new Entry(2, 2, EntryType.Normal, set('early', 'one')),
    new Entry(2, 3, EntryType.Normal, set('early', 'two')),
    new Entry(2, 4, EntryType.Normal, set('key', 'value')),
    new Entry(3, 5),
    new Entry(3, 6, change.type, change.data),
    new Entry(3, 7, EntryType.Normal, Uint8Array.of(255, 0, 1)),
    new Entry(3, 8, EntryType.Normal, text.encode(`plain: ${marks.entry}`)),
  ];
  for (let index = 9; index <= last; index++)
    entries.push(new Entry(3, index, EntryType.Normal, set(`key-${String(index)}`, 'x'.repeat(100))));
  await storage.write({
    entries,
    hardState: { term: 3, vote: 1, commit: 7 },
    confState: { index: 6, state: confState },
  });
  const early = { ...EmptyConfState, voters: [1, 3] };
  await takeSnapshot(storage, { index: 3, term: 2, confState: early }, ['one', `two ${marks.chunk}`]);
  await takeSnapshot(storage, { index: 7, term: 3, confState }, ['newer']);
  await storage.compactTo(3);
  const store = engine.orderedStore('kv');
  await store.open();
  const pairs = ['a', 'b', 'c'].map(
    (key) => [text.encode(key), text.encode(`${key} ${marks.pair}`)] as const,
  );
  await store.write({ changes: pairs, appliedIndex: applied });
  await store.sync();
  await store.close();
  if (more !== undefined) await engine.orderedStore(more).open();
  await storage.close();
}

async function takeSnapshot(
  storage: Storage,
  metadata: SnapshotMetadata,
  chunks: readonly string[],
): Promise<void> {
  const writer = await storage.createSnapshot(metadata);
  for (const chunk of chunks) await writer.write(text.encode(chunk));
  await writer.commit();
}

/** A store that was filled and closed. */
export async function makeStore(engine: string, directory: string, options: FillOptions = {}): Promise<void> {
  const source = await findEngine(engine);
  const opened = await source.open({ directory, env: createNodeEnv() });
  try {
    await fill(opened, options);
  } finally {
    await opened.close();
  }
}

/** As `balsa serve` leaves it. */
export async function noteStorage(directory: string, storage: string): Promise<void> {
  await writeFile(path.join(directory, 'storage.json'), `{"format":1,"storage":"${storage}"}`);
}

/** Changes one byte of `mark` in the one file that has it, and gives the path of that. */
export async function damage(directory: string, mark: string): Promise<string> {
  const changed: string[] = [];
  for (const item of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (!item.isFile()) continue;
    const file = path.join(item.parentPath, item.name);
    const bytes = await readFile(file);
    const at = bytes.indexOf(mark);
    if (at < 0) continue;
    bytes[at + 4] = (bytes[at + 4] ?? 0) ^ 1;
    await writeFile(file, bytes);
    changed.push(file);
  }
  if (changed.length !== 1) throw new Error(`${mark} was found in ${String(changed.length)} files`);
  return changed[0] ?? '';
}

/** What must not change: names, bytes and times of change, of folders too. */
export async function traces(directory: string): Promise<unknown> {
  const found = await contents(directory);
  const times = await Promise.all(
    ['', ...Object.keys(found)].map(async (name) => [
      name,
      (await stat(path.join(directory, name), { bigint: true })).mtimeNs,
    ]),
  );
  return { found, times };
}

export interface Inspected {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** In this process, for people: what starts a process and reads its arguments is tried elsewhere. */
export async function inspectText(
  directory: string,
  scratch: string,
  options: Partial<InspectOptions> = {},
): Promise<Inspected> {
  let [stdout, stderr] = ['', ''];
  const never = { signal: new AbortController().signal, exitCode: () => 0, request: () => undefined };
  const defaults = { verify: false, json: false, group: undefined, entries: undefined };
  const code = await inspect({ ...defaults, directory, scratch, ...options }, never, {
    stdout: (text) => (stdout += text),
    stderr: (text) => (stderr += text),
  });
  return { code, stdout, stderr };
}

export async function inspectJson(
  directory: string,
  scratch: string,
  options: Partial<InspectOptions> = {},
): Promise<Inspected & { readonly report: InspectReport }> {
  const ended = await inspectText(directory, scratch, { ...options, json: true });
  return { ...ended, report: JSON.parse(ended.stdout) as InspectReport };
}
