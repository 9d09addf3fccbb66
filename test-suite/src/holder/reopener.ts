/** Opens one directory after another as a crash or damage left it, and says what was found. */
import type { Engine } from '@balsa/raft-core';
import type { CaseContext } from '../case.ts';
import { makePlan, type Plan, type PlanOptions } from '../child/plan.ts';
import { ChildServer } from '../child/process.ts';
import type { Tree } from '../power/disk.ts';
import { findShim } from '../shim/compile.ts';
import { Holder, NotServed } from './holder.ts';

export interface ReopenerOptions<T> {
  readonly context: CaseContext;
  /** What the child answers with, as JSON. */
  readonly kind: 'look' | 'survey';
  readonly plan: PlanOptions;
  /** The same in this process, where there is no shim or no child. */
  readonly here: (open: () => Promise<Engine>, plan: Plan, request: string) => Promise<T>;
}

/**
 * In a child under the shim where there is one, with its syncs skipped: a directory that is thrown away needs none,
 * and they are most of the time.
 */
export class Reopener<T> {
  readonly #options: ReopenerOptions<T>;
  readonly #holder: Holder;
  #child: Promise<ChildServer | undefined> | undefined;

  constructor(options: ReopenerOptions<T>) {
    this.#options = options;
    this.#holder = new Holder(options.context);
  }

  /** What was found there; the error of a server that did not start on it. `request` is what a child of that kind is asked. */
  async open(tree: Tree, request: string = this.#options.kind): Promise<T | NotServed> {
    const { context, plan, here } = this.#options;
    await this.#holder.fill(tree);
    this.#child ??= this.#start();
    const child = await this.#child;
    const shim = await findShim();
    try {
      if ('path' in shim)
        await this.#holder.serve({ directory: this.#holder.directory }, { shim: shim.path });
      else await this.#holder.serve();
    } catch (error) {
      if (error instanceof NotServed) return error;
      throw error;
    }
    if (child === undefined) return here(() => context.harness.open(), makePlan(plan), request);
    return JSON.parse(await child.ask(request)) as T;
  }

  async stop(): Promise<void> {
    await (await this.#child)?.stop();
    await this.#holder.release();
  }

  async #start(): Promise<ChildServer | undefined> {
    const shim = await findShim();
    if (!('path' in shim) || !this.#holder.hasChild) return undefined;
    const { kind, plan } = this.#options;
    const { directory, opener } = this.#holder;
    return new ChildServer({ kind, opener, directory, plan }, { shim: shim.path });
  }
}
