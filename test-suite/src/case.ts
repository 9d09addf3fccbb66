/** One conformance case, and what it is given to work with. */
import { inspect } from 'node:util';
import type { Engine, Storage, StorageState } from '@balsa/raft-core';
import { isPromise } from './check.ts';
import { missingNeed, type Harness, type Level, type Need, type Target } from './target.ts';

/**
 * A case of any level. Declared as plain data in `cases/*.ts` and listed in `suite.ts`; it runs when the target
 * gives all that it `needs`, and is reported as not applicable, with the reason, when not.
 */
export interface ConformanceCase {
  /** `group/name`; stable from release to release. */
  readonly id: string;
  /** The rule, as a sentence. */
  readonly title: string;
  readonly level: Level;
  /** Default: none beyond opening engines. */
  readonly needs?: readonly Need[];
  /** Run only when asked for by id or by `scale: true` of the options, because it takes minutes. */
  readonly long?: boolean;
  /**
   * Resolves when the rule holds, rejects when it does not. Calls `context.notApplicable(reason)` when it finds
   * out that the rule says nothing about this store (by its capabilities, or a tool that the machine lacks).
   */
  run(context: CaseContext): Promise<void>;
}

/** Choices of a run. */
export interface CaseOptions {
  /** Of random histories and faults; an unsigned 32-bit integer. Default: `BALSA_SEED`, else a fixed one. */
  readonly seed?: number | undefined;
  /** Of random histories. Default: `BALSA_RUNS`, else 40. */
  readonly runs?: number | undefined;
  /** Where in the shrinking tree of that seed to begin, as a failure printed it. Default: `BALSA_PATH`. */
  readonly path?: string | undefined;
}

/** What became of a case that did not fail. */
export type CaseOutcome =
  { readonly status: 'passed' } | { readonly status: 'not-applicable'; readonly reason: string };

export interface OpenedGroup {
  readonly storage: Storage;
  readonly state: StorageState;
}

const defaultGroup = 'group';

class NotApplicable extends Error {
  override readonly name = 'NotApplicable';
}

/** One engine at a time on one harness. */
export class CaseContext {
  readonly harness: Harness;
  /** For cases that need further harnesses of their own. */
  readonly target: Target;
  readonly options: CaseOptions;
  #engine: Promise<Engine> | undefined;
  #maxEntryBytes: number | undefined;

  constructor(harness: Harness, target: Target, options: CaseOptions = {}) {
    this.harness = harness;
    this.target = target;
    this.options = options;
  }

  /** Ends the case: the rule says nothing about this store, for the reason given. Never for a rule that is broken. */
  notApplicable(reason: string): never {
    throw new NotApplicable(reason);
  }

  /** Whether the target says that its engine ships an ordered store. */
  get hasOrderedStore(): boolean {
    return this.target.orderedStore !== false;
  }

  /** The open engine; opened when there is none. */
  engine(): Promise<Engine> {
    this.#engine ??= this.#open();
    return this.#engine;
  }

  async #open(): Promise<Engine> {
    const opening: unknown = this.harness.open();
    // Plain JavaScript lets it pass, and a program that says `.then` does not.
    if (!isPromise(opening))
      throw new Error(
        `harness.open() has to give a promise of an engine, not ${inspect(opening, { depth: 0 })}`,
      );
    const engine = await (opening as Promise<Engine>);
    assertGives(engine, 'harness.open()', engineMethods);
    this.#maxEntryBytes = engine.capabilities.maxEntryBytes;
    return engine;
  }

  /** Of the engine that this case opened last; undefined when it has opened none. */
  get maxEntryBytes(): number | undefined {
    return this.#maxEntryBytes;
  }

  async group(id: string = defaultGroup): Promise<OpenedGroup> {
    const storage = (await this.engine()).group(id);
    return { storage, state: await storage.open() };
  }

  /** Closes one group and opens it again, in the same engine: what it reports is what it took in. */
  async regroup(id: string = defaultGroup): Promise<OpenedGroup> {
    await (await this.engine()).group(id).close();
    return this.group(id);
  }

  /** Closes the engine, opens it again, and the group in it. */
  async reopen(id: string = defaultGroup): Promise<OpenedGroup> {
    await this.closeEngine();
    return this.group(id);
  }

  async closeEngine(): Promise<void> {
    const engine = this.#engine;
    this.#engine = undefined;
    await (await engine)?.close();
  }

  /** Ends the life of the engine by the harness's `crash`; the next `engine()` opens another. */
  async crashEngine(): Promise<void> {
    if (this.harness.crash === undefined)
      throw new Error('the case did not say that it needs the ability crash');
    this.#engine = undefined;
    await this.harness.crash();
  }
}

/**
 * Runs one case on a fresh harness; closes and removes everything, whatever happens. Rejects when the rule is
 * broken, with the failed check.
 */
export async function runCase(
  conformanceCase: ConformanceCase,
  target: Target,
  options: CaseOptions = {},
): Promise<CaseOutcome> {
  const missing = missingNeed(target, conformanceCase.needs);
  if (missing !== undefined) return { status: 'not-applicable', reason: missing };
  const harness = await target.create();
  assertGives(harness, 'target.create()', ['open', 'destroy']);
  const context = new CaseContext(harness, target, options);
  try {
    await conformanceCase.run(context);
    return { status: 'passed' };
  } catch (error) {
    if (error instanceof NotApplicable) return { status: 'not-applicable', reason: error.message };
    throw error;
  } finally {
    try {
      await context.closeEngine();
    } finally {
      await harness.destroy();
    }
  }
}

const engineMethods = [
  'identity',
  'stamp',
  'group',
  'listGroups',
  'destroyGroup',
  'orderedStore',
  'close',
] as const satisfies readonly (keyof Engine)[];

/** A type checks it for whoever writes TypeScript; for others a missing method would show as an error of the suite's. */
function assertGives(value: unknown, from: string, methods: readonly string[]): void {
  const given = typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  const missing = methods.filter((name) => typeof given[name] !== 'function');
  if (missing.length > 0) throw new Error(`what ${from} resolves with has no method ${missing.join(', ')}`);
}
