/** Reopens directories that a crash could have left, and says which of them are not what they should be. */
import assert from 'node:assert/strict';
import type { CaseContext } from '../case.ts';
import type { Expected, Judgement, Progress } from '../child/expected.ts';
import { goOnRequest } from '../child/job.ts';
import { failureText, lookAndGoOn, lookOnce, type Look } from '../child/look.ts';
import type { PlanOptions } from '../child/plan.ts';
import { NotServed } from '../holder/holder.ts';
import { Reopener } from '../holder/reopener.ts';
import type { Tree } from './disk.ts';
import { treeHash } from './directory.ts';

export interface CrashState {
  /** Where and how, in words. */
  readonly what: string;
  readonly tree: Tree;
  readonly progress: Progress;
}

/** So many states are opened for each in which the store is also written to: that takes two further openings. */
const goOnEvery = 3;

export interface JudgeOptions {
  readonly context: CaseContext;
  readonly expected: Expected;
  readonly plan: PlanOptions;
  readonly seed: number;
}

/** Opens one directory after another. Stops at the first that is wrong. */
export class Judge {
  readonly #options: JudgeOptions;
  readonly #reopener: Reopener<Look>;
  readonly #seen = new Set<string>();
  /** Different directories that were opened. */
  states = 0;

  private constructor(options: JudgeOptions) {
    this.#options = options;
    const { context, plan } = options;
    this.#reopener = new Reopener({
      context,
      kind: 'look',
      plan,
      here: (open, whole, request) => (request === goOnRequest ? lookAndGoOn : lookOnce)(open, whole),
    });
  }

  /** Runs `body` with a judge, and ends its child. */
  static async with(options: JudgeOptions, body: (judge: Judge) => Promise<void>): Promise<number> {
    const judge = new Judge(options);
    try {
      await body(judge);
      return judge.states;
    } finally {
      await judge.#reopener.stop();
    }
  }

  /** Rejects when the state does not open, or does not hold what it must. */
  async check(state: CrashState, judgement: Judgement = {}): Promise<void> {
    const key = treeHash(state.tree) + JSON.stringify(state.progress);
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    this.states++;
    // What a recovery leaves behind, such as the rest of a torn record, may harm only what is written next.
    const look = await this.look(state.tree, this.states % goOnEvery === 0);
    const wrong = this.#wrong(look, state.progress, judgement);
    if (wrong === undefined) return;
    const files = [...state.tree].map(
      ([path, bytes]) => `${path} ${bytes === undefined ? 'dir' : String(bytes.length)}`,
    );
    assert.fail(
      `${state.what} (seed ${String(this.#options.seed)}, crash state ${String(this.states)}):\n${wrong}\nfiles: ${files.join(', ')}`,
    );
  }

  async look(tree: Tree, goesOn = false): Promise<Look> {
    const found = await (goesOn ? this.#reopener.open(tree, goOnRequest) : this.#reopener.open(tree));
    if (!(found instanceof NotServed)) return found;
    return { failed: 'open', code: found.name, message: found.message };
  }

  #wrong(look: Look, progress: Progress, judgement: Judgement): string | undefined {
    if ('sight' in look) return this.#options.expected.wrong(look.sight, progress, judgement);
    return failureText(look);
  }
}
