/** Reopens directories that a crash could have left, and says which of them are not what they should be. */
import type { CaseContext } from '../case.ts';
import type { Expected, Judgement, Progress } from '../child/expected.ts';
import { lookOnce, type Look } from '../child/look.ts';
import type { PlanOptions } from '../child/plan.ts';
import { ChildServer } from '../child/process.ts';
import { findShim } from '../shim/compile.ts';
import type { Tree } from './disk.ts';
import { treeHash, writeTree } from './directory.ts';
import { directoryOf, openerOf } from './recording.ts';

export interface CrashState {
  /** Where and how, in words. */
  readonly what: string;
  readonly tree: Tree;
  readonly progress: Progress;
}

export interface JudgeOptions {
  readonly context: CaseContext;
  readonly expected: Expected;
  readonly plan: PlanOptions;
  readonly seed: number;
}

/**
 * Opens one directory after another. In a child under the shim where there is one, with its syncs skipped: a
 * directory that is thrown away needs none, and they are most of the time. Stops at the first that is wrong.
 */
export class Judge {
  readonly #options: JudgeOptions;
  readonly #directory: string;
  readonly #seen = new Set<string>();
  #server: ChildServer | undefined;
  /** Different directories that were opened. */
  states = 0;

  private constructor(options: JudgeOptions) {
    this.#options = options;
    this.#directory = directoryOf(options.context);
  }

  /** Runs `body` with a judge, and ends its child. */
  static async with(options: JudgeOptions, body: (judge: Judge) => Promise<void>): Promise<number> {
    const judge = new Judge(options);
    try {
      await body(judge);
      return judge.states;
    } finally {
      await judge.#server?.stop();
    }
  }

  /** Rejects when the state does not open, or does not hold what it must. */
  async check(state: CrashState, judgement: Judgement = {}): Promise<void> {
    const key = treeHash(state.tree) + JSON.stringify(state.progress);
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    this.states++;
    const look = await this.look(state.tree);
    const wrong = this.#wrong(look, state.progress, judgement);
    if (wrong === undefined) return;
    const files = [...state.tree].map(
      ([path, bytes]) => `${path} ${bytes === undefined ? 'dir' : String(bytes.length)}`,
    );
    throw new Error(
      `${state.what} (seed ${String(this.#options.seed)}, crash state ${String(this.states)}):\n${wrong}\nfiles: ${files.join(', ')}`,
    );
  }

  async look(tree: Tree): Promise<Look> {
    writeTree(this.#directory, tree);
    const { context, expected } = this.#options;
    this.#server ??= await this.#start();
    if (this.#server === undefined) return lookOnce(() => context.harness.open(), expected.plan);
    return JSON.parse(await this.#server.ask('look')) as Look;
  }

  async #start(): Promise<ChildServer | undefined> {
    const shim = await findShim();
    const { context, plan } = this.#options;
    if (!('path' in shim) || context.harness.child === undefined) return undefined;
    const job = { kind: 'look', opener: openerOf(context), directory: this.#directory, plan } as const;
    return new ChildServer(job, { shim: shim.path });
  }

  #wrong(look: Look, progress: Progress, judgement: Judgement): string | undefined {
    if ('sight' in look) return this.#options.expected.wrong(look.sight, progress, judgement);
    const what = look.failed === 'open' ? 'it does not open' : 'it opens, but cannot be read';
    return `${what}: ${look.code}: ${look.message}`;
  }
}
