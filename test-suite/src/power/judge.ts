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

export interface LookerOptions {
  readonly context: CaseContext;
  readonly plan: PlanOptions;
}

export interface JudgeOptions extends LookerOptions {
  readonly expected: Expected;
  readonly seed: number;
}

/** Opens one directory after another, and says what it finds. */
export class Looker {
  readonly #reopener: Reopener<Look>;

  private constructor({ context, plan }: LookerOptions) {
    this.#reopener = new Reopener({
      context,
      kind: 'look',
      plan,
      here: (open, whole, request) => (request === goOnRequest ? lookAndGoOn : lookOnce)(open, whole),
    });
  }

  /** Runs `body` with a looker, and ends its child. */
  static async with<T>(options: LookerOptions, body: (looker: Looker) => Promise<T>): Promise<T> {
    const looker = new Looker(options);
    try {
      return await body(looker);
    } finally {
      await looker.#reopener.stop();
    }
  }

  async look(tree: Tree, goesOn = false): Promise<Look> {
    const found = await (goesOn ? this.#reopener.open(tree, goOnRequest) : this.#reopener.open(tree));
    if (!(found instanceof NotServed)) return found;
    return { failed: 'open', code: found.name, message: found.message };
  }
}

/** Opens one directory after another. Stops at the first that is wrong. */
export class Judge {
  readonly #options: JudgeOptions;
  readonly #looker: Looker;
  readonly #seen = new Set<string>();
  /** Different directories that were opened. */
  states = 0;

  private constructor(options: JudgeOptions, looker: Looker) {
    this.#options = options;
    this.#looker = looker;
  }

  /** Runs `body` with a judge, and ends its child. */
  static async with(options: JudgeOptions, body: (judge: Judge) => Promise<void>): Promise<number> {
    return Looker.with(options, async (looker) => {
      const judge = new Judge(options, looker);
      await body(judge);
      return judge.states;
    });
  }

  /** Rejects when the state does not open, or does not hold what it must. */
  async check(state: CrashState, judgement: Judgement = {}): Promise<void> {
    const key = treeHash(state.tree) + JSON.stringify(state.progress);
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    this.states++;
    // What a recovery leaves behind, such as the rest of a torn record, may harm only what is written next.
    const look = await this.#looker.look(state.tree, this.states % goOnEvery === 0);
    const wrong = this.#wrong(look, state.progress, judgement);
    if (wrong === undefined) return;
    const files = [...state.tree].map(
      ([path, bytes]) => `${path} ${bytes === undefined ? 'dir' : String(bytes.length)}`,
    );
    assert.fail(
      `${state.what} (seed ${String(this.#options.seed)}, crash state ${String(this.states)}):\n${wrong}\nfiles: ${files.join(', ')}`,
    );
  }

  #wrong(look: Look, progress: Progress, judgement: Judgement): string | undefined {
    if ('sight' in look) return this.#options.expected.wrong(look.sight, progress, judgement);
    return failureText(look);
  }
}
