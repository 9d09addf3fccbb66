/** One conformance case, and what it is given to work with. */
import type { Engine, Storage, StorageState } from '@balsa/raft-core';
import type { Harness, Level, Target } from './target.ts';

export interface ConformanceCase {
  /** `group/name`; stable from release to release. */
  readonly id: string;
  /** The rule, as a sentence. */
  readonly title: string;
  readonly level: Level;
  run(context: CaseContext): Promise<void>;
}

export interface OpenedGroup {
  readonly storage: Storage;
  readonly state: StorageState;
}

const defaultGroup = 'group';

/** One engine at a time on one harness. */
export class CaseContext {
  readonly harness: Harness;
  /** For cases that need further harnesses of their own. */
  readonly target: Target;
  #engine: Promise<Engine> | undefined;

  constructor(harness: Harness, target: Target) {
    this.harness = harness;
    this.target = target;
  }

  /** The open engine; opened when there is none. */
  engine(): Promise<Engine> {
    this.#engine ??= this.harness.open();
    return this.#engine;
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
}

/** Runs one case on a fresh harness; closes and removes everything, whatever happens. */
export async function runCase(conformanceCase: ConformanceCase, target: Target): Promise<void> {
  const harness = await target.create();
  const context = new CaseContext(harness, target);
  try {
    await conformanceCase.run(context);
  } finally {
    try {
      await context.closeEngine();
    } finally {
      await harness.destroy();
    }
  }
}
