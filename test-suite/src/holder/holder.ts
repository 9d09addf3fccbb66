/**
 * Who writes to the disk: a child of the suite's own with the engine in it, or, where the target says so, a server
 * of the target's with the child as its client. Cases of crashes, power and damage speak to a holder, and need not know.
 */
import { mkdirSync, realpathSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import type { CaseContext } from '../case.ts';
import type { Job } from '../child/job.ts';
import { lookOnce, type Look } from '../child/look.ts';
import type { Plan } from '../child/plan.ts';
import { runChild, shimEnvironment, type ChildOptions, type ChildResult } from '../child/process.ts';
import { readTree, writeTree } from '../power/directory.ts';
import type { Tree } from '../power/disk.ts';
import { ShimControl } from '../shim/control.ts';
import type { Harness, ServerProcesses } from '../target.ts';

/** A server that did not come up: after damage that is a way of noticing it, after a crash it is a failure. */
export class NotServed extends Error {
  override readonly name = 'NotServed';
}

/** What a server is started with, beside what the target gives it: the shim, watching one directory. */
export type Watch = Parameters<typeof shimEnvironment>;

export class Holder {
  /** Absolute, without symbolic links, as the shim wants it. */
  readonly directory: string;
  readonly #harness: Harness;

  constructor({ harness }: CaseContext) {
    this.#harness = harness;
    const { directory } = harness;
    if (directory === undefined)
      throw new Error('the target says that it gives files, but its harness names no directory');
    mkdirSync(directory, { recursive: true });
    this.directory = realpathSync(directory);
  }

  /** Whether a server of the target's holds the data. */
  get isServed(): boolean {
    return this.#harness.processes !== undefined;
  }

  get opener(): Job['opener'] {
    const { child } = this.#harness;
    if (child === undefined)
      throw new Error(
        'the target says that it gives a child, but its harness does not say how to open there',
      );
    if (!isAbsolute(child.module) && !child.module.startsWith('file:'))
      throw new Error(
        `child.module of the harness has to be an absolute path or a file: URL, not ${JSON.stringify(child.module)}`,
      );
    return child;
  }

  /** Whether a child can open there at all. */
  get hasChild(): boolean {
    return this.#harness.child !== undefined;
  }

  /** Ends the server, if there is one: by SIGKILL, or in good order. Nobody has the directory open then. */
  async release(how: 'killed' | 'in good order' = 'killed'): Promise<void> {
    const { processes } = this.#harness;
    if (processes === undefined) return;
    if (how === 'killed') kill(processes);
    await processes.stop();
  }

  /** Empties the directory and fills it. The server, if there is one, does not run afterwards. */
  async fill(tree: Tree): Promise<void> {
    await this.release();
    writeTree(this.directory, tree);
  }

  /** What lies there once the server, if there is one, has ended. */
  async read(how: 'killed' | 'in good order' = 'killed'): Promise<Tree> {
    await this.release(how);
    return readTree(this.directory);
  }

  /** Starts the server, if there is one; watched by the shim or not. Rejects with `NotServed`. */
  async serve(...watch: Watch | []): Promise<void> {
    const { processes } = this.#harness;
    if (processes === undefined) return;
    await this.release();
    const [where, options] = watch;
    const environment = where === undefined ? {} : shimEnvironment(where, options);
    try {
      await processes.start({
        ...environment,
        // What a server says of itself is no announcement of the suite's child.
        BALSA_SHIM_MARKS: 'off',
        // A sync that takes as long as on a disk is one that an early acknowledgement is seen to overtake.
        ...(options?.trace !== undefined && { BALSA_SHIM_SYNC_MICROS: '3000' }),
      });
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new NotServed(`the server does not start: ${reason}`, { cause });
    }
  }

  /**
   * Runs a job in a child to its end. With a server, that is started for it under the same shim and ended after it,
   * and it is the server that `killAfter` kills: the steps that fail then are not counted as refused.
   */
  async run(job: Job, options: ChildOptions = {}): Promise<ChildResult> {
    const { processes } = this.#harness;
    if (processes === undefined) return runChild(job, options);
    const death = { came: false };
    const killAfter = (line: string): boolean => {
      if (death.came || options.killAfter?.(line) !== true) return false;
      death.came = true;
      kill(processes);
      return false;
    };
    try {
      await this.serve(job, options);
      const result = await runChild(job, { ...options, killAfter });
      return death.came || wasKilled(job) ? cutShort(result) : result;
    } catch (error) {
      if (!(error instanceof NotServed)) throw error;
      const signal = wasKilled(job) ? 'SIGKILL' : null;
      return { lines: [], code: 1, signal, stderr: error.message };
    } finally {
      await this.release();
    }
  }

  /** Opens, looks and closes in this process; the server runs unwatched. */
  async look(plan: Plan): Promise<Look> {
    return lookOnce(async () => {
      await this.serve();
      return this.#harness.open();
    }, plan);
  }
}

function kill(processes: ServerProcesses): void {
  const pid = processes.pid();
  if (pid === undefined) return;
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    // It ended by itself in this moment.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

/** Whether the shim has killed the server, as its control block told it to. */
function wasKilled({ control: path }: Job): boolean {
  if (path === undefined) return false;
  const control = new ShimControl(path);
  try {
    const at = control.get('killAt');
    return at > 0 && control.get('mutations') >= at;
  } finally {
    control.close();
  }
}

/** What a client reports of calls that the death of the server ended is no refusal. */
function cutShort(result: ChildResult): ChildResult {
  return {
    ...result,
    signal: 'SIGKILL',
    lines: result.lines.filter((line) => !line.startsWith('failed ')),
  };
}
