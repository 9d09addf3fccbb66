/** Checks that say what was found in words of the contract. */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { inspect } from 'node:util';
import {
  crc32,
  isBalsaError,
  NoLimit,
  Outline,
  type ConfState,
  type Entry,
  type ErrorCode,
  type HardState,
  type IndexedConfState,
  type Storage,
  type StorageState,
  type StoredSnapshot,
} from '@balsa/raft-core';
import { hard, noConf } from './make.ts';

export function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}

/** Bytes as text: short ones whole, long ones by length and checksum. */
export function showBytes(bytes: Uint8Array): string {
  // A store in plain JavaScript may give anything.
  if (!((bytes as unknown) instanceof Uint8Array)) return `no bytes but ${inspect(bytes)}`;
  if (bytes.length > 64) return `${String(bytes.length)} bytes, crc ${crc32(bytes).toString(16)}`;
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** A number; what is none shows that: `'7'`, `7n`. */
const showNumber = (value: unknown): string => inspect(value, { colors: false });

export function showEntry(entry: Entry): string {
  const { index, term, type, data, context } = entry;
  return `${showNumber(index)}@${showNumber(term)} type ${showNumber(type)} data [${showBytes(data)}] context [${showBytes(context)}]`;
}

export function sameEntries(found: readonly Entry[], expected: readonly Entry[], what = 'entries'): void {
  assert.deepEqual(found.map(showEntry), expected.map(showEntry), what);
}

export function sameBytes(
  found: Uint8Array | undefined,
  expected: Uint8Array | undefined,
  what: string,
): void {
  assert.equal(found && showBytes(found), expected && showBytes(expected), what);
}

/** `act` has to reject (or throw) with one of the codes. */
export async function refuses(act: () => unknown, ...codes: ErrorCode[]): Promise<void> {
  let error: unknown;
  try {
    await act();
  } catch (thrown) {
    error = thrown;
  }
  assert.ok(error !== undefined, `expected a rejection with ${codes.join(' or ')}, but the call succeeded`);
  assert.ok(
    isBalsaError(error),
    `expected ${codes.join(' or ')}, but found: ${error instanceof Error ? error.message : typeof error}`,
  );
  assert.ok(
    codes.includes(error.code),
    `expected ${codes.join(' or ')}, but found ${error.code}: ${error.message}`,
  );
}

/** `act` has to reject, with whatever code. */
export async function rejects(act: () => Promise<unknown>, what: string): Promise<void> {
  const settled = await act().then(
    () => 'resolved',
    () => 'rejected',
  );
  assert.equal(settled, 'rejected', what);
}

/** Turns of the microtask queue within which a store that is synchronous inside has settled. */
const promptTurns = 20;

/** Whether a call that was just made takes longer than that. */
async function isUnderWay(call: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const end = (): boolean => (settled = true);
  call.then(end, end);
  for (let turn = 0; turn < promptTurns && !(settled as boolean); turn++) await Promise.resolve();
  return !(settled as boolean);
}

/** Rejects unless the call has settled by now, or does so in this turn of the event loop. */
export async function hasSettled(call: Promise<unknown>, what: string): Promise<void> {
  assert.ok(!(await isUnderWay(call)), `${what} has not settled`);
}

/**
 * While a write is truly under way, a second one has to be refused, whether it comes later or in the same turn. A store
 * that is synchronous inside has settled by then: nothing is under way in it. True when a second one was refused.
 */
export async function refusesSecondWrite(
  first: () => Promise<void>,
  second: () => Promise<void>,
  when: 'later' | 'in the same turn' = 'later',
): Promise<boolean> {
  const one = first();
  const early = when === 'later' ? undefined : second();
  early?.catch(() => undefined);
  const underWay = await isUnderWay(one);
  const [before, after] = await Promise.allSettled([one, early ?? second()]);
  assert.equal(before.status, 'fulfilled', 'the first write');
  if (after.status === 'rejected') {
    assert.ok(isBalsaError(after.reason, 'STORE_WRITE_IN_FLIGHT'), String(after.reason));
    return true;
  }
  assert.ok(
    !underWay,
    'a second write was taken while the first was under way: expected STORE_WRITE_IN_FLIGHT',
  );
  return false;
}

/** Open files of this process; undefined where the system does not list them. */
export function descriptors(): Promise<number | undefined> {
  return readdir('/proc/self/fd').then(
    ({ length }) => length,
    () => undefined,
  );
}

/** The whole of what a group should hold. */
export interface ExpectedGroup {
  readonly boundary?: { readonly index: number; readonly term: number };
  readonly entries?: readonly Entry[];
  readonly hardState?: HardState;
  readonly confState?: IndexedConfState;
  readonly pendingRestore?: string | undefined;
}

/** The log holds exactly `entries` behind `boundary`, seen through reads alone. */
export async function sameLog(storage: Storage, entries: readonly Entry[], boundaryIndex = 0): Promise<void> {
  const first = boundaryIndex + 1;
  const last = boundaryIndex + entries.length;
  sameEntries(await storage.entries(first, last + 1, NoLimit), entries, 'the whole log');
  await refuses(() => storage.entries(first, last + 2, NoLimit), 'STORE_UNAVAILABLE');
  await refuses(() => storage.entries(first - 1, last + 1, NoLimit), 'STORE_COMPACTED');
}

/** What `open` reported is exactly what is expected. */
export function sameState(state: StorageState, expected: ExpectedGroup): void {
  const { boundary = { index: 0, term: 0 }, entries = [] } = expected;
  const outline = new Outline();
  outline.reset(boundary);
  outline.append(entries);
  assert.equal(state.firstIndex, outline.firstIndex, 'firstIndex');
  assert.equal(state.lastIndex, outline.lastIndex, 'lastIndex');
  assert.deepEqual(plain(state.outline), plain(outline.toData()), 'outline');
  assert.deepEqual(plain(state.hardState), plain(expected.hardState ?? hard(0, 0)), 'hardState');
  assert.deepEqual(plainConf(state.confState), plainConf(expected.confState ?? noConf), 'confState');
  assert.equal(state.pendingRestore?.id, expected.pendingRestore, 'pendingRestore');
}

/** Both: what was reported and what is read. */
export async function sameGroup(
  opened: { readonly storage: Storage; readonly state: StorageState },
  expected: ExpectedGroup,
): Promise<void> {
  sameState(opened.state, expected);
  await sameLog(opened.storage, expected.entries ?? [], expected.boundary?.index ?? 0);
}

export function sameSnapshot(found: StoredSnapshot | undefined, expected: StoredSnapshot | undefined): void {
  assert.deepEqual(plain(found), plain(expected), 'snapshot');
}

/** The chunks of a stored snapshot, read back. */
export async function readSnapshot(storage: Storage, id: string): Promise<Uint8Array[]> {
  const reader = await storage.openSnapshot(id);
  const chunks: Uint8Array[] = [];
  for (let n = 0; n < reader.snapshot.chunkCount; n++) chunks.push(await reader.chunk(n));
  await reader.close();
  return chunks;
}

export function sameChunks(found: readonly Uint8Array[], expected: readonly Uint8Array[]): void {
  assert.deepEqual(found.map(showBytes), expected.map(showBytes), 'chunks');
}

function plainConf(conf: IndexedConfState): unknown {
  const { voters, votersOutgoing, learners, learnersNext, autoLeave }: ConfState = conf.state;
  return plain({ index: conf.index, voters, votersOutgoing, learners, learnersNext, autoLeave });
}

/** Through JSON, so that frozen, null-prototype and class-made objects compare by content; no bytes inside. */
function plain(value: unknown): unknown {
  return value === undefined ? undefined : sortKeys(JSON.parse(JSON.stringify(value)));
}

function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, sortKeys(inner)]),
  );
}
