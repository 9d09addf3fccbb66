/** Random histories of a group, side by side with the reference model. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  Entry,
  EntryType,
  isBalsaError,
  NoLimit,
  type Engine,
  type ErrorCode,
  type Storage,
  type StorageState,
  type StoredSnapshot,
  type WriteBatch,
} from '@balsa/raft-core';
import { createMemoryDisk, openMemoryEngine, type MemoryDisk } from '@balsa/raft-core/memory';
import type { CaseContext, ConformanceCase } from '../case.ts';
import { sameEntries, sameGroup } from '../check.ts';
import { conf, create, meta, pattern, receive } from '../make.ts';
import { checkHistories } from '../replay.ts';
import type { Harness } from '../target.ts';

const groupIds = ['1', '10'] as const;
const nat = (max: number): fc.Arbitrary<number> => fc.nat({ max });
const group = fc.constantFrom(...groupIds);

/** Numbers are offsets from what the model holds at that moment, so that shrinking keeps a history meaningful. */
const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('write' as const),
      group,
      /** How far before the end the entries begin; -1 is a gap. */
      back: fc.integer({ min: -1, max: 5 }),
      /** One entry each: growth of the term, size of the data, whether it is a membership change. */
      entries: fc.array(fc.record({ grow: nat(1), size: nat(300), conf: fc.boolean() }), { maxLength: 6 }),
      hard: fc.option(fc.record({ grow: nat(1), vote: nat(3), commit: nat(4) }), { nil: undefined }),
      conf: fc.boolean(),
      install: fc.option(nat(2), { nil: undefined }),
      restored: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('read' as const), group, low: nat(8), length: nat(9), limit: nat(900) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('compact' as const), group, ahead: fc.integer({ min: -2, max: 6 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('snapshot' as const), group, ahead: fc.integer({ min: -3, max: 4 }), otherTerm: fc.boolean(), received: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('prune' as const), group, keep: nat(2) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('maintain' as const), group }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('reopen' as const), group }) },
); // prettier-ignore
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;
type WriteStep = Extract<Step, { kind: 'write' }>;

/** One of the two sides. Snapshot ids differ between the sides, so snapshots are known by their number. */
class Side {
  readonly #open: () => Promise<Engine>;
  #engine: Engine | undefined;
  readonly #storages = new Map<string, Storage>();
  readonly #snapshotIds = new Map<string, string[]>(groupIds.map((id) => [id, []]));

  constructor(open: () => Promise<Engine>) {
    this.#open = open;
  }

  /** Received snapshots of a group, oldest first. Ids are of one group: two groups may use the same. */
  received(id: string): string[] {
    return this.#snapshotIds.get(id) ?? [];
  }

  storage(id: string): Storage {
    const storage = this.#storages.get(id);
    assert.ok(storage !== undefined, 'the group is open');
    return storage;
  }

  async start(): Promise<void> {
    this.#engine = await this.#open();
    for (const id of groupIds) await this.reopenGroup(id);
  }

  async reopenGroup(id: string): Promise<StorageState> {
    await this.#storages.get(id)?.close();
    const storage = this.#engine?.group(id);
    assert.ok(storage !== undefined, 'the engine is open');
    this.#storages.set(id, storage);
    return storage.open();
  }

  async stop(): Promise<void> {
    this.#storages.clear();
    await this.#engine?.close();
    this.#engine = undefined;
  }

  /** The engine is gone without having been closed. */
  forget(): void {
    this.#storages.clear();
    this.#engine = undefined;
  }
}

/** What a batch step means, given what the model holds. */
function toBatch(action: WriteStep, state: StorageState, side: Side): WriteBatch {
  const { outline, lastIndex, hardState } = state;
  const from = Math.max(outline.boundary.index, lastIndex + 1 - action.back);
  let term = [outline.boundary, ...outline.runs].findLast((run) => run.index < from)?.term ?? 0;
  const entries = action.entries.map((item, i) => {
    term += item.grow;
    const type = item.conf && item.size % 4 === 0 ? EntryType.ConfChangeV2 : EntryType.Normal;
    return new Entry(term, from + i, type, pattern(item.size, from + i), pattern(item.size % 3));
  });
  const commit = hardState.commit + (action.hard?.commit ?? 0);
  const received =
    action.install === undefined ? undefined : side.received(action.group).at(-1 - action.install);
  return {
    ...(entries.length > 0 && { entries }),
    ...(action.hard && {
      hardState: { term: hardState.term + action.hard.grow, vote: action.hard.vote, commit },
    }),
    ...(action.conf && {
      confState: { index: Math.max(state.confState.index, commit), state: conf(1, commit + 1) },
    }),
    ...(received !== undefined && { install: received }),
    ...(action.restored && { restored: side.received(action.group).at(-1) ?? 'none' }),
  };
}

/** The code of the refusal, or `done`. */
async function answerOf(act: () => Promise<unknown>): Promise<ErrorCode | 'done'> {
  try {
    await act();
    return 'done';
  } catch (error) {
    assert.ok(
      isBalsaError(error) && error.outcome === 'refused',
      `expected a refusal, found ${String(error)}`,
    );
    return error.code;
  }
}

/** What may be refused about a batch, in no order: a store that finds two things wrong may name either. */
function refusalsOf({ entries = [], hardState, install }: WriteBatch, state: StorageState): Set<ErrorCode> {
  const codes = new Set<ErrorCode>();
  const [first, last] = [entries[0]?.index, entries.at(-1)?.index];
  // What is installed moves the log that the other parts are held to.
  if (install !== undefined) {
    codes.add('STORE_SNAPSHOT_OUT_OF_DATE').add('STORE_SNAPSHOT_NOT_FOUND');
    if (first !== undefined) codes.add('STORE_GAP').add('STORE_BELOW_FIRST').add('STORE_TERM_REGRESSION');
  }
  if (first !== undefined && first > state.lastIndex + 1) codes.add('STORE_GAP');
  if (first !== undefined && first < state.firstIndex) codes.add('STORE_BELOW_FIRST');
  const ends = last ?? state.lastIndex;
  const commit = hardState?.commit ?? state.hardState.commit;
  if (ends < state.hardState.commit || commit > ends || install !== undefined)
    codes.add('STORE_COMMIT_OUT_OF_RANGE');
  return codes;
}

/** Beyond the commit there may be an unrecorded membership change as well. */
const compactRefusals: ReadonlySet<ErrorCode> = new Set([
  'STORE_COMPACT_OUT_OF_RANGE',
  'STORE_CONF_UNRECORDED',
]);

/** A range that reaches beyond the log on both sides may be refused for either. */
function rangeRefusals(low: number, high: number, { firstIndex, lastIndex }: StorageState): Set<ErrorCode> {
  const codes = new Set<ErrorCode>();
  if (low < firstIndex) codes.add('STORE_COMPACTED');
  if (high > lastIndex + 1) codes.add('STORE_UNAVAILABLE');
  return codes;
}

/** A history under way on both sides. */
class Comparison {
  readonly #model: Side;
  readonly #subject: Side;
  readonly #harness: Harness;
  readonly #crashes: boolean;

  constructor(disk: MemoryDisk, harness: Harness, crashes: boolean) {
    this.#harness = harness;
    this.#crashes = crashes;
    this.#model = new Side(() => Promise.resolve(openMemoryEngine({ disk })));
    this.#subject = new Side(() => harness.open());
  }

  async run(steps: readonly Step[]): Promise<void> {
    try {
      await this.#model.start();
      await this.#subject.start();
      for (const action of steps) {
        await this.#take(action);
        await this.#compareReads(action.group);
      }
      await this.#restart();
    } finally {
      await this.#model.stop();
      await this.#subject.stop();
    }
  }

  async #take(action: Step): Promise<void> {
    switch (action.kind) {
      case 'write': {
        const state = await this.#model.reopenGroup(action.group);
        await this.#both(
          (side) => side.storage(action.group).write(toBatch(action, state, side)),
          JSON.stringify(action),
          refusalsOf(toBatch(action, state, this.#model), state),
        );
        return;
      }
      case 'compact': {
        const { firstIndex } = await this.#model.reopenGroup(action.group);
        const index = Math.max(0, firstIndex + action.ahead);
        await this.#both(
          (side) => side.storage(action.group).compactTo(index),
          `compactTo(${String(index)})`,
          compactRefusals,
        );
        return;
      }
      case 'read': {
        const { firstIndex } = await this.#model.reopenGroup(action.group);
        const low = Math.max(0, firstIndex - 2 + action.low);
        const found: Entry[][] = [];
        await this.#both(
          async (side) => {
            found.push(await side.storage(action.group).entries(low, low + action.length, action.limit));
          },
          `entries(${String(low)}, ${String(low + action.length)}, ${String(action.limit)})`,
          rangeRefusals(low, low + action.length, await this.#model.reopenGroup(action.group)),
        );
        sameEntries(found[1] ?? [], found[0] ?? [], 'a read');
        return;
      }
      case 'snapshot':
        await this.#snapshot(action);
        return;
      case 'prune':
        await this.#both((side) => side.storage(action.group).pruneSnapshots(action.keep), 'prune');
        return;
      case 'maintain':
        await this.#subject.storage(action.group).maintain();
        return;
      case 'reopen':
        await this.#restart();
    }
  }

  async #snapshot(action: Extract<Step, { kind: 'snapshot' }>): Promise<void> {
    const { lastIndex, outline } = await this.#model.reopenGroup(action.group);
    const index = Math.max(1, lastIndex + action.ahead);
    const term = [outline.boundary, ...outline.runs].findLast((run) => run.index <= index)?.term ?? 0;
    const metadata = meta(index, term + (action.otherTerm ? 1 : 0), conf(1, index + 1));
    for (const side of [this.#model, this.#subject]) {
      const make = action.received ? receive : create;
      const { id } = await make(side.storage(action.group), metadata, [pattern(200, index)]);
      if (action.received) side.received(action.group).push(id);
    }
  }

  /** Both do it, or both refuse it: with the same code, or with one of those that could be named as well. */
  async #both(
    act: (side: Side) => Promise<unknown>,
    what: string,
    alternatives: ReadonlySet<ErrorCode> = new Set(),
  ): Promise<void> {
    const expected = await answerOf(() => act(this.#model));
    const found = await answerOf(() => act(this.#subject));
    if (expected !== 'done' && found !== 'done' && alternatives.has(found)) return;
    assert.equal(found, expected, what);
  }

  async #restart(): Promise<void> {
    await this.#model.stop();
    if (this.#crashes) {
      await this.#harness.crash?.();
      this.#subject.forget();
    } else {
      await this.#subject.stop();
    }
    await this.#model.start();
    await this.#subject.start();
    for (const id of groupIds) {
      const found = await this.#subject.reopenGroup(id);
      const expected = await this.#compareReads(id);
      const model = this.#model.storage(id);
      const entries = await model.entries(expected.firstIndex, expected.lastIndex + 1, NoLimit);
      const pending = this.#model.received(id).indexOf(expected.pendingRestore?.id ?? '');
      await sameGroup(
        { storage: this.#subject.storage(id), state: found },
        {
          boundary: expected.outline.boundary,
          entries,
          hardState: expected.hardState,
          confState: expected.confState,
          pendingRestore: this.#subject.received(id)[pending],
        },
      );
    }
  }

  /** The whole log and the list of snapshots are alike; what the model holds. */
  async #compareReads(id: string): Promise<StorageState> {
    const state = await this.#model.reopenGroup(id);
    const logs: Entry[][] = [];
    const lists: unknown[] = [];
    for (const side of [this.#model, this.#subject]) {
      logs.push(await side.storage(id).entries(state.firstIndex, state.lastIndex + 1, NoLimit));
      lists.push((await side.storage(id).listSnapshots()).map(brief));
    }
    sameEntries(logs[1] ?? [], logs[0] ?? [], `the log of group ${id}`);
    assert.deepEqual(lists[1], lists[0], `the snapshots of group ${id}`);
    return state;
  }
}

/** What two sides have in common: everything but the id. */
function brief({ metadata, origin, bytes, checksum, chunkCount }: StoredSnapshot): unknown {
  const { index, term } = metadata;
  return { index, term, voters: [...metadata.confState.voters], origin, bytes, checksum, chunkCount };
}

async function checkGroupHistories(context: CaseContext, crashes: boolean): Promise<void> {
  await checkHistories(
    fc.asyncProperty(fc.array(step, { maxLength: 40, size: 'max' }), async (steps) => {
      const harness = await context.target.create();
      try {
        await new Comparison(createMemoryDisk(), harness, crashes).run(steps);
      } finally {
        await harness.destroy();
      }
    }),
    context.options,
  );
}

export const modelCases: readonly ConformanceCase[] = [
  {
    id: 'model/group-histories',
    title: 'random histories with restarts leave what they leave in the reference model',
    level: 'model',
    run: (context) => checkGroupHistories(context, false),
  },
  {
    id: 'model/group-histories-with-crashes',
    title: 'random histories in which every restart is a crash leave what they leave in the reference model',
    level: 'model',
    needs: ['crash'],
    run: (context) => checkGroupHistories(context, true),
  },
];
