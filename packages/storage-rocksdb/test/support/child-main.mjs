/** A process that opens a store and does one thing with it, on the built packages. */
import { accessSync, writeSync } from 'node:fs';
import { Entry, EntryType } from '@balsa/raft-core';
import { openStore } from './opener.mjs';

const say = (line) => writeSync(1, `${line}\n`);

/** Leaves a line in a trace of system calls. */
const mark = (name) => {
  try {
    accessSync(`/balsa-mark-${name}`);
  } catch {
    // There is no such file: the attempt is the message.
  }
};

const payload = new Uint8Array(100);
const entry = (index, data = payload) => new Entry(1, index, EntryType.Normal, data);
const commit = (index) => ({ term: 1, vote: 1, commit: index });

/** Marks in the trace what is written between two syncs. */
async function trace(engine) {
  const groups = ['a', 'b', 'c'].map((id) => engine.group(id));
  for (const group of groups) await group.open();
  const store = engine.orderedStore('kv');
  await store.open();
  for (const group of groups) await group.write({ entries: [entry(1)], hardState: commit(0) });
  const [one] = groups;
  mark('single');
  for (let i = 2; i < 22; i++) await one.write({ entries: [entry(i)], hardState: commit(i - 1) });
  mark('shared');
  for (let i = 22; i < 42; i++)
    await Promise.all(groups.map((group, g) => group.write({ entries: [entry(g === 0 ? i : i - 20)] })));
  mark('vote');
  await one.write({ hardState: { term: 2, vote: 3, commit: 21 } });
  mark('unsynced');
  for (let i = 1; i < 21; i++) await store.write({ changes: [[payload, payload]], appliedIndex: i });
  mark('sync');
  await store.sync();
  mark('sweep');
  await one.write({
    entries: [entry(42, new Uint8Array(1_000_000))],
    hardState: { term: 2, vote: 3, commit: 42 },
  });
  await one.compactTo(42);
  mark('swept');
  await one.maintain();
  mark('end');
  await engine.close();
}

const [, , mode = '', directory = ''] = process.argv;
const engine = await openStore({ directory });
if (mode === 'trace') {
  await trace(engine);
} else {
  say('held');
  // Collected as garbage, the engine would lose its lock.
  setInterval(() => engine.capabilities, 1000);
}
