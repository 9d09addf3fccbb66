/**
 * Faults of the way to a server that holds the data: a write that is cut off, delayed or left without a reply, and what
 * is there when the store is opened again.
 */
import assert from 'node:assert/strict';
import { isBalsaError, type Engine, type Entry, type Storage, type WriteBatch } from '@balsa/raft-core';
import type { CaseContext, ConformanceCase, OpenedGroup } from '../case.ts';
import { refuses, sameGroup, sameLog } from '../check.ts';
import { hard, run } from '../make.ts';
import type { ConnectionFault, ServerConnection } from '../target.ts';

/** All that a group holds; told apart by how long the log is. */
interface State {
  readonly entries: readonly Entry[];
  readonly hardState: ReturnType<typeof hard>;
}

/** Before the fault; what the write that meets it makes of that; what a later owner or a second try makes of it. */
const before: State = { entries: run(1, 5, 1), hardState: hard(1, 2, 1) };
const after: State = { entries: [...run(1, 3, 1), ...run(4, 6, 2)], hardState: hard(2, 3, 2) };
const instead: State = { entries: [...run(1, 3, 1), ...run(4, 4, 3)], hardState: hard(3, 4, 3) };

/** All of the suffix and the hard state in one batch: half of it is seen whatever half it is. */
const batchOf = ({ entries, hardState }: State): WriteBatch => ({ entries: entries.slice(3), hardState });

/** A store that lost its connection may refuse until it has another. */
const patience = 8;

type Outcome = 'acknowledged' | 'refused' | 'unknown';

async function outcomeOf(call: Promise<unknown>): Promise<Outcome> {
  try {
    await call;
    return 'acknowledged';
  } catch (error) {
    assert.ok(isBalsaError(error), `rejected with something that has no code: ${String(error)}`);
    if (error.code === 'STORE_UNKNOWN_OUTCOME') return 'unknown';
    assert.notEqual(error.code, 'STORE_POISONED', 'poisoned, and no unknown outcome was told before');
    assert.equal(error.outcome, 'refused', `${error.code} is not the code of a store`);
    return 'refused';
  }
}

/** One group in an engine behind the broken way, with `before` in it. */
class Trial {
  readonly connection: ServerConnection;
  readonly storage: Storage;
  readonly #context: CaseContext;
  readonly #engine: Engine;
  readonly #group: string;
  #hasStruck = false;

  private constructor(context: CaseContext, engine: Engine, storage: Storage, group: string) {
    this.#context = context;
    this.connection = connectionOf(context);
    this.#engine = engine;
    this.storage = storage;
    this.#group = group;
  }

  /** Runs `body` and closes the engine, whatever becomes of it. */
  static async run(
    context: CaseContext,
    group: string,
    body: (trial: Trial) => Promise<void>,
  ): Promise<void> {
    const { storage: plain } = await context.group(group);
    await plain.write(before);
    await context.closeEngine();
    const engine = await connectionOf(context).open();
    try {
      const storage = engine.group(group);
      await sameGroup({ storage, state: await storage.open() }, before);
      await body(new Trial(context, engine, storage, group));
    } finally {
      await closeQuietly(engine);
      await connectionOf(context).heal();
    }
  }

  /** Resolves when the fault has come. */
  arm(fault: ConnectionFault): Promise<void> {
    return this.connection.arm(fault).then(() => {
      this.#hasStruck = true;
    });
  }

  /** Of the write that met the fault, with what the store does when it does not know it. */
  async judgeWrite(write: Promise<void>): Promise<Outcome> {
    const outcome = await outcomeOf(write);
    assert.ok(this.#hasStruck, 'the armed fault did not come: no request of the write was known as one');
    if (outcome !== 'unknown') return outcome;
    await refuses(() => this.storage.write(batchOf(after)), 'STORE_POISONED');
    await refuses(() => this.storage.entries(1, 2, 1), 'STORE_POISONED');
    return outcome;
  }

  /** After a refusal: the store is usable, and so what takes the place of the refused write is taken. */
  async writeInstead(): Promise<readonly State[]> {
    await this.connection.heal();
    for (let tries = 0; tries < patience; tries++) {
      const outcome = await outcomeOf(this.storage.write(batchOf(instead)));
      if (outcome === 'acknowledged') {
        await sameLog(this.storage, instead.entries);
        return [instead];
      }
      if (outcome === 'unknown') return [before, instead];
    }
    return [before];
  }

  close(): Promise<void> {
    return closeQuietly(this.#engine);
  }

  /** Opened the other way, it is one of these, whole. */
  async reopen(allowed: readonly State[]): Promise<{ readonly opened: OpenedGroup; readonly found: State }> {
    const opened = await this.#context.reopen(this.#group);
    const { lastIndex } = opened.state;
    const found = allowed.find(({ entries }) => entries.length === lastIndex);
    const lasts = allowed.map(({ entries }) => entries.length).join(' or ');
    assert.ok(found, `reopened, the log ends at ${String(lastIndex)}, where ${lasts} was expected`);
    await sameGroup(opened, found);
    return { opened, found };
  }
}

function connectionOf({ harness }: CaseContext): ServerConnection {
  if (harness.connection === undefined)
    throw new Error('the target says that it gives a connection, but its harness has none');
  return harness.connection;
}

/** Closing may tell of the connection once more; what counts is what the next opening finds. */
async function closeQuietly(engine: Engine): Promise<void> {
  await engine.close().catch(() => undefined);
}

/** What reopening may find. */
const foundAfter: Readonly<Record<Outcome, readonly State[]>> = {
  acknowledged: [after],
  refused: [before],
  unknown: [before, after],
};

/** What is found stays: when all that was under way has arrived, after more was written, and at every opening. */
async function staysSo(trial: Trial, allowed: readonly State[]): Promise<void> {
  const first = await trial.reopen(allowed);
  await trial.connection.heal();
  await sameLog(first.opened.storage, first.found.entries);
  const second = await trial.reopen([first.found]);
  const more = extended(second.found);
  await second.opened.storage.write({ entries: more.entries.slice(-2), hardState: more.hardState });
  await trial.reopen([more]);
}

function extended({ entries }: State): State {
  const last = entries.length;
  return { entries: [...entries, ...run(last + 1, last + 2, 4)], hardState: hard(4, last, 1) };
}

const whatCounts = 'acknowledged, refused or of unknown outcome, and reopening finds accordingly';

/** Meets the fault with one write, and tells what the store made of it. */
type Meet = (trial: Trial) => Promise<Outcome>;

function connectionCase(name: string, what: string, meet: Meet): ConformanceCase {
  return {
    id: `faults/${name}`,
    title: `${what} is ${whatCounts}`,
    level: 'faults',
    needs: ['connection'],
    run: async (context) => {
      const outcome = await tryOnce(context, 'group', meet, 'goes on');
      // What was refused must not appear, neither behind the next write nor where there is none.
      if (outcome === 'refused') await tryOnce(context, 'another group', meet, 'is reopened');
    },
  };
}

async function tryOnce(
  context: CaseContext,
  group: string,
  meet: Meet,
  refusal: 'goes on' | 'is reopened',
): Promise<Outcome> {
  let outcome: Outcome = 'unknown';
  await Trial.run(context, group, async (trial) => {
    outcome = await meet(trial);
    const usable = outcome === 'refused' && refusal === 'goes on';
    const allowed = usable ? await trial.writeInstead() : foundAfter[outcome];
    await trial.close();
    await staysSo(trial, allowed);
  });
  return outcome;
}

const meets =
  (fault: ConnectionFault): Meet =>
  (trial) => {
    void trial.arm(fault);
    return trial.judgeWrite(trial.storage.write(batchOf(after)));
  };

/** It arrives as soon as it was held up. */
const meetsDelay: Meet = async (trial) => {
  const held = trial.arm('delay');
  const write = trial.judgeWrite(trial.storage.write(batchOf(after)));
  await Promise.race([held, write]);
  await trial.connection.heal();
  return write;
};

const late: ConformanceCase = {
  id: 'faults/late-write-after-cut',
  title: 'a write that was cut off and arrives after the next opening does nothing, then or ever',
  level: 'faults',
  needs: ['connection'],
  run: async (context) => {
    for (const writesFirst of [false, true]) {
      await Trial.run(context, `group ${String(writesFirst)}`, async (trial) => {
        const held = trial.arm('delay');
        const write = trial.judgeWrite(trial.storage.write(batchOf(after)));
        await Promise.race([held, write]);
        trial.connection.cut();
        const outcome = await write;
        await trial.close();
        const { opened, found } = await trial.reopen(foundAfter[outcome]);
        let present = found;
        if (writesFirst) {
          await opened.storage.write(batchOf(instead));
          present = instead;
        }
        await trial.connection.heal();
        await sameLog(opened.storage, present.entries);
        const more = extended(present);
        await opened.storage.write({ entries: more.entries.slice(-2), hardState: more.hardState });
        await trial.reopen([more]);
      });
    }
  },
};

const opening: ConformanceCase = {
  id: 'faults/opening-cut-off',
  title: 'an opening that is cut off says so or succeeds, and the next one finds the store as it was',
  level: 'faults',
  needs: ['connection'],
  run: (context) =>
    Trial.run(context, 'group', async (trial) => {
      await trial.close();
      let cuts = 0;
      for (const fault of ['cut-before', 'cut-during', 'cut-after'] as const) {
        void trial.connection.arm(fault).then(() => cuts++);
        await openAndClose(trial.connection);
        await trial.connection.heal();
        await trial.reopen([before]);
        await context.closeEngine();
      }
      if (cuts === 0) context.notApplicable('opening the engine changes nothing at the server');
      await staysSo(trial, [before]);
    }),
};

async function openAndClose(connection: ServerConnection): Promise<void> {
  try {
    const engine = await connection.open();
    await closeQuietly(engine);
  } catch (error) {
    assert.ok(isBalsaError(error), `opening rejected with something that has no code: ${String(error)}`);
  }
}

export const connectionCases: readonly ConformanceCase[] = [
  connectionCase('connection-cut-before', 'a write that is cut off before it arrives', meets('cut-before')),
  connectionCase('connection-cut-during', 'a write that is cut off in the middle', meets('cut-during')),
  connectionCase('connection-cut-after', 'a write whose reply is cut off', meets('cut-after')),
  connectionCase('connection-delayed', 'a write that arrives late', meetsDelay),
  connectionCase('half-closed', 'a write behind which the connection is half closed', meets('half-close')),
  connectionCase('reply-swallowed', 'a write whose reply never comes', meets('swallow-reply')),
  late,
  opening,
];
