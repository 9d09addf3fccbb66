/**
 * The beginning of a store of your own: an Engine that keeps everything in one JSON file.
 *
 * It passes level core and durable of the conformance suite. It does not sync, holds all data in memory and writes
 * the whole file at every change: the TODO marks say what to replace, and in which order.
 */
import { Buffer } from 'node:buffer';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { BalsaError, Entry, defaultMaxEntryBytes, toBalsaError } from '@balsa/raft-core';
import { LogState } from '@balsa/storage-kit';
import { Group } from './group.js';

/** Directories that an engine of this process has open. */
const owned = new Set();

/** @returns {Promise<import('@balsa/raft-core').Engine>} */
export async function openMyEngine({ directory }) {
  // TODO: this keeps out a second engine of the same process only. Take a lock that the operating system
  // releases when the process dies, or fence: let the newest owner win, and refuse the writes of older ones.
  if (owned.has(directory)) throw new BalsaError('STORE_LOCKED', `another engine has ${directory} open`);
  owned.add(directory);
  try {
    await mkdir(directory, { recursive: true });
    return new MyEngine(directory, await load(directory));
  } catch (error) {
    owned.delete(directory);
    throw toBalsaError(error, 'STORE_IO', `cannot open the store in ${directory}`);
  }
}

class MyEngine {
  // Say here what the store promises; the suite holds you to every field.
  capabilities = Object.freeze({
    engine: 'my-store',
    engineVersion: '1',
    persistent: true,
    // TODO: 'strict' once every write is synced before it resolves.
    durability: 'relaxed',
    // TODO: a number once a synced watermark outside the data tells when acknowledged writes are missing.
    watermarkLag: Infinity,
    maxEntryBytes: defaultMaxEntryBytes,
  });
  #directory;
  #data;
  #open = new Map();
  #turn = Promise.resolve();
  #closed = false;
  #poison;

  constructor(directory, data) {
    this.#directory = directory;
    this.#data = data;
  }

  async identity() {
    this.check();
    return this.#data.identity;
  }

  async stamp(identity) {
    await this.change(() => {
      if (this.#data.identity !== undefined)
        throw new BalsaError(
          'STORE_ALREADY_BOOTSTRAPPED',
          `this is node ${this.#data.identity.nodeId} already`,
        );
      this.#data.identity = { ...identity };
    });
  }

  group(id) {
    this.check();
    if (id.length < 1 || id.length > 256)
      throw new BalsaError('INVALID_ARGUMENT', `a group id has 1 to 256 units, this one has ${id.length}`);
    let group = this.#open.get(id);
    if (group === undefined) {
      const data = this.#data.groups.get(id) ?? newGroupData();
      this.#data.groups.set(id, data);
      group = new Group(this, id, data, () => this.#open.delete(id));
      this.#open.set(id, group);
    }
    return group;
  }

  async listGroups() {
    this.check();
    return [...this.#data.groups.keys()].filter((id) => holdsData(this.#data.groups.get(id))).sort();
  }

  async destroyGroup(id) {
    await this.change(() => {
      if (this.#open.has(id)) throw new BalsaError('INVALID_ARGUMENT', `group ${id} is open; close it first`);
      this.#data.groups.delete(id);
    });
  }

  orderedStore() {
    // TODO: the ordered key-value store, in the same database. Until then the target says orderedStore: false.
    throw new BalsaError('INVALID_ARGUMENT', 'this engine ships no ordered store');
  }

  /** Runs `effect` in its turn and saves. What `effect` throws is a refusal; a failed save has an unknown outcome. */
  change(effect) {
    this.check();
    const work = this.#turn.then(async () => {
      if (this.#poison !== undefined) this.check();
      const result = effect();
      try {
        await save(this.#directory, this.#data);
      } catch (cause) {
        this.#poison = cause;
        throw new BalsaError('STORE_UNKNOWN_OUTCOME', 'the file may or may not have been written', { cause });
      }
      return result;
    });
    this.#turn = work.catch(() => undefined);
    return work;
  }

  check() {
    if (this.#closed) throw new BalsaError('STORE_CLOSED', 'the engine is closed');
    if (this.#poison !== undefined)
      throw new BalsaError('STORE_POISONED', 'close the engine and open it again', { cause: this.#poison });
  }

  async close() {
    if (this.#closed) return this.#turn;
    this.#closed = true;
    for (const group of [...this.#open.values()]) await group.close();
    await this.#turn;
    owned.delete(this.#directory);
  }

  async [Symbol.asyncDispose]() {
    await this.close();
  }
}

function newGroupData() {
  return { state: new LogState(), entries: [], snapshots: [], snapshotCounter: 0 };
}

/** A group that was only opened holds nothing. */
function holdsData({ state, snapshotCounter }) {
  const { term, vote } = state.hardState;
  // A group that is founded with members has them at index 0.
  const { voters, learners } = state.confState.state;
  const members = voters.length + learners.length;
  return state.outline.lastIndex > 0 || snapshotCounter > 0 || members > 0 || term > 0 || vote > 0;
}

// The file. TODO: write only what changes, with a checksum over everything that can be misplaced (group, index,
// term, type, context, data), verify it on read (STORE_CORRUPT names the index), and sync file and directory
// before a write resolves.

const fileOf = (directory) => path.join(directory, 'store.json');
const text = (bytes) => Buffer.from(bytes).toString('base64');
const bytes = (value) => new Uint8Array(Buffer.from(value, 'base64'));

async function save(directory, { identity, groups }) {
  const plain = [...groups].map(([id, { state, entries, snapshots, snapshotCounter }]) => ({
    id,
    hardState: state.hardState,
    confState: state.confState,
    pendingRestore: state.pendingRestore,
    outline: state.outline.toData(),
    entries: entries.map(({ index, term, type, data, context }) => [
      index,
      term,
      type,
      text(data),
      text(context),
    ]),
    snapshots: snapshots.map(({ stored, chunks }) => ({ stored, chunks: chunks.map(text) })),
    snapshotCounter,
  }));
  const temporary = `${fileOf(directory)}.tmp`;
  await writeFile(temporary, JSON.stringify({ format: 1, identity, groups: plain }));
  await rename(temporary, fileOf(directory));
}

async function load(directory) {
  let read;
  try {
    read = await readFile(fileOf(directory), 'utf8');
  } catch (error) {
    // Only what is not there is new; what cannot be read now is neither new nor damaged.
    if (error.code === 'ENOENT') return { identity: undefined, groups: new Map() };
    throw error;
  }
  let file;
  try {
    file = JSON.parse(read);
  } catch (cause) {
    throw new BalsaError('STORE_CORRUPT', `${fileOf(directory)} is not what this store wrote`, { cause });
  }
  if (file.format !== 1) throw new BalsaError('STORE_FORMAT_VERSION', `format ${file.format} is not known`);
  const groups = file.groups.map((group) => [
    group.id,
    {
      state: new LogState(group),
      entries: group.entries.map(
        ([i, term, type, data, context]) => new Entry(term, i, type, bytes(data), bytes(context)),
      ),
      snapshots: group.snapshots.map(({ stored, chunks }) => ({ stored, chunks: chunks.map(bytes) })),
      snapshotCounter: group.snapshotCounter,
    },
  ]);
  return { identity: file.identity, groups: new Map(groups) };
}
