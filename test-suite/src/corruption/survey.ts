/** Reads all that can still be read of a damaged store, each part by itself. */
import { AssertionError } from 'node:assert/strict';
import { crc32, isBalsaError, type Engine, type Storage, type StorageState } from '@balsa/raft-core';
import { readSnapshot, showEntry } from '../check.ts';
import type { Expected, Progress } from '../child/expected.ts';
import {
  codeOf,
  identityText,
  observeGroup,
  observeOrdered,
  snapshotText,
  stateText,
  type Sight,
} from '../child/observe.ts';
import { orderedName } from '../child/perform.ts';
import { groupLanes, type Plan } from '../child/plan.ts';

/** What was refused, and with which code: `open`, `log of a`, ... */
export interface Refusal {
  readonly part: string;
  readonly code: string;
  readonly message: string;
}

/** Survives JSON. */
export interface Survey {
  readonly refusals: readonly Refusal[];
  /** Served, and not what was written: found out by what the store itself says of it. */
  readonly wrong?: readonly string[];
  readonly identity?: string;
  readonly groups: Readonly<Record<string, Sight['groups'][string]>>;
  /** Of groups whose log cannot be read whole: the state, and the entries that single reads gave. */
  readonly partial: Readonly<Record<string, { readonly state: string; readonly entries: readonly string[] }>>;
  readonly ordered?: string;
}

/** With what is behind it: which error of the engine below has got the wrong code is what an author wants to know. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}; caused by ${messageOf(error.cause)}`;
}

/** Codes that the contract names for data that are not what was written. */
export const damageCodes: readonly string[] = [
  'STORE_CORRUPT',
  'STORE_ACKNOWLEDGED_WRITE_LOST',
  'STORE_FORMAT_VERSION',
];

class Surveyor {
  readonly refusals: Refusal[] = [];
  readonly wrong: string[] = [];
  readonly groups: Record<string, Sight['groups'][string]> = {};
  readonly partial: Record<string, { state: string; entries: string[] }> = {};
  identity: string | undefined;
  ordered: string | undefined;

  /** Undefined when it is refused. */
  async try<T>(part: string, run: () => Promise<T>): Promise<T | undefined> {
    try {
      return await run();
    } catch (error) {
      this.refusals.push({ part, code: codeOf(error), message: messageOf(error) });
      return undefined;
    }
  }

  open(lane: string, storage: Storage): Promise<StorageState | undefined> {
    return this.try(`open of ${lane}`, () => storage.open());
  }

  async group(lane: string, storage: Storage, state: StorageState): Promise<void> {
    try {
      this.groups[lane] = await observeGroup(storage, state);
    } catch (error) {
      if (error instanceof AssertionError) this.wrong.push(`group ${lane}: ${error.message}`);
      if (!isBalsaError(error)) {
        if (error instanceof AssertionError) return;
        throw error;
      }
      this.refusals.push({ part: `log or snapshots of ${lane}`, code: error.code, message: error.message });
      this.partial[lane] = { state: stateText(state), entries: await this.#single(storage, state) };
      await this.#snapshots(lane, storage);
    }
  }

  async #single(storage: Storage, { firstIndex, lastIndex }: StorageState): Promise<string[]> {
    const entries: string[] = [];
    for (let index = firstIndex; index <= lastIndex; index++) {
      const found = await this.try(`entry ${String(index)}`, () => storage.entries(index, index + 1, 0));
      entries.push(...(found ?? []).map(showEntry));
    }
    return entries;
  }

  async #snapshots(lane: string, storage: Storage): Promise<void> {
    for (const stored of (await this.try(`snapshots of ${lane}`, () => storage.listSnapshots())) ?? []) {
      const chunks = await this.try(`snapshot of ${lane}`, () => readSnapshot(storage, stored.id));
      if (chunks === undefined) continue;
      const checksum = chunks.reduce((sum, chunk) => crc32(chunk, sum), 0);
      if (checksum !== stored.checksum)
        this.wrong.push(`group ${lane}: snapshot ${snapshotText(stored)} reads as ${checksum.toString(16)}`);
    }
  }

  result(): Survey {
    const { refusals, wrong, groups, partial, identity, ordered } = this;
    return {
      refusals,
      wrong,
      groups,
      partial,
      ...(identity !== undefined && { identity }),
      ...(ordered !== undefined && { ordered }),
    };
  }
}

/** `opened` runs once the groups are open and before anything is read of them. */
export async function survey(
  open: () => Promise<Engine>,
  plan: Plan,
  opened: () => Promise<void> = () => Promise.resolve(),
): Promise<Survey> {
  const surveyor = new Surveyor();
  const engine = await surveyor.try('open', open);
  if (engine === undefined) return surveyor.result();
  try {
    surveyor.identity = await surveyor.try('identity', async () => identityText(await engine.identity()));
    const states = new Map<string, StorageState>();
    for (const lane of groupLanes) {
      const state = await surveyor.open(lane, engine.group(lane));
      if (state !== undefined) states.set(lane, state);
    }
    await opened();
    for (const [lane, state] of states) await surveyor.group(lane, engine.group(lane), state);
    if (plan.orderedStore) {
      surveyor.ordered = await surveyor.try('ordered store', () =>
        observeOrdered(engine.orderedStore(orderedName)),
      );
    }
    return surveyor.result();
  } finally {
    await surveyor.try('close', () => engine.close());
  }
}

/** A server that refuses to start on damaged files has noticed, in its own way. */
export function notServed({ message }: Error): Survey {
  return {
    refusals: [{ part: 'start of the server', code: 'STORE_CORRUPT', message }],
    groups: {},
    partial: {},
  };
}

export interface SurveyJudgement {
  /** Acknowledged writes of which a prefix may be missing, as the store declares. */
  readonly mayLose: number;
  readonly missingFile: boolean;
}

/** What is wrong, in words: something served that is not the truth, missing unsaid, or refused with a wrong code. */
export function wrongSurvey(
  expected: Expected,
  found: Survey,
  progress: Progress,
  judgement: SurveyJudgement,
): string | undefined {
  if (found.wrong !== undefined && found.wrong.length > 0) return found.wrong.join('\n');
  const odd = found.refusals.filter(({ part, code }) => part !== 'close' && !damageCodes.includes(code));
  if (odd.length > 0) {
    return odd
      .map(
        ({ part, code, message }) =>
          `${part}: refused with ${code}, which is not a code for damage (${message})`,
      )
      .join('\n');
  }
  const sight: Sight = {
    identity: found.identity ?? expected.identity,
    groups: found.groups,
    ...(found.ordered !== undefined && { ordered: found.ordered }),
  };
  const wrong = expected.wrong(sight, progress, {
    mayLose: judgement.mayLose,
    snapshots: judgement.missingFile ? 'may vanish' : 'may be damaged',
  });
  if (wrong !== undefined) return wrong;
  for (const [lane, { state, entries }] of Object.entries(found.partial)) {
    const reason = expected.wrongPart(lane, state, entries, progress, judgement.mayLose);
    if (reason !== undefined) return reason;
  }
  return undefined;
}
