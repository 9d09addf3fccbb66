/** One opening of a store, in whatever process, and what came of it. Survives JSON. */
import assert from 'node:assert/strict';
import { NoLimit, type Engine, type Storage } from '@balsa/raft-core';
import { showEntry } from '../check.ts';
import { entry } from '../make.ts';
import { codeOf, observe, type Sight } from './observe.ts';
import { groupLanes, type Plan } from './plan.ts';

export type Look =
  | { readonly sight: Sight }
  | {
      /** Whether opening the engine failed, reading what it opened, or working on with that. */
      readonly failed: 'open' | 'read' | 'go on';
      readonly code: string;
      readonly message: string;
    };

export type Failure = Exclude<Look, { readonly sight: Sight }>;

/** What failed, as the beginning of a sentence. */
export function failureText({ failed, code, message }: Failure): string {
  const what = {
    open: 'it does not open',
    read: 'it opens, but cannot be read',
    'go on': 'it opens, and then does not keep what is written to it',
  };
  return `${what[failed]}: ${code}: ${message}`;
}

function failure(failed: Failure['failed'], error: unknown): Failure {
  return { failed, code: codeOf(error), message: error instanceof Error ? error.message : String(error) };
}

/** Opens, reads everything, closes. */
export async function lookOnce(open: () => Promise<Engine>, plan: Plan): Promise<Look> {
  let engine: Engine;
  try {
    engine = await open();
  } catch (error) {
    return failure('open', error);
  }
  try {
    return { sight: await observe(engine, plan) };
  } catch (error) {
    return failure('read', error);
  } finally {
    await engine.close();
  }
}

/** Looks, writes one more entry to each group, and looks whether that and all before it is there after another opening. */
export async function lookAndGoOn(open: () => Promise<Engine>, plan: Plan): Promise<Look> {
  const look = await lookOnce(open, plan);
  if ('failed' in look) return look;
  try {
    const expected = new Map<string, string[]>();
    await withEngine(open, async (engine) => {
      for (const lane of groupLanes) expected.set(lane, await writeOneMore(engine.group(lane)));
    });
    await withEngine(open, async (engine) => {
      for (const lane of groupLanes)
        assert.deepEqual(await entriesOf(engine.group(lane)), expected.get(lane), `the log of group ${lane}`);
    });
    return look;
  } catch (error) {
    return failure('go on', error);
  }
}

async function withEngine(
  open: () => Promise<Engine>,
  work: (engine: Engine) => Promise<void>,
): Promise<void> {
  const engine = await open();
  try {
    await work(engine);
  } finally {
    await engine.close();
  }
}

/** Opens the group; all of its entries, as text. */
async function entriesOf(storage: Storage): Promise<string[]> {
  const { firstIndex, lastIndex } = await storage.open();
  return (await storage.entries(firstIndex, lastIndex + 1, NoLimit)).map(showEntry);
}

async function writeOneMore(storage: Storage): Promise<string[]> {
  const { firstIndex, lastIndex, hardState, outline } = await storage.open();
  const before = await storage.entries(firstIndex, lastIndex + 1, NoLimit);
  const term = Math.max(hardState.term, outline.runs.at(-1)?.term ?? outline.boundary.term);
  const next = entry(lastIndex + 1, term, 'written after the recovery');
  const vote = term === hardState.term ? hardState.vote : 0;
  await storage.write({ entries: [next], hardState: { ...hardState, term, vote } });
  return [...before, next].map(showEntry);
}
