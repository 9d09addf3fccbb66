/** Keeps the nodes of a cluster running: one that dies is started again, each time after a longer pause. */
import { fetchStatus, type NodeExit, NodeProcess, type NodeSpec } from '@balsa/cluster';
import { isLasting } from '../messages.ts';
import type { NodeView } from './table.ts';

const firstPauseMs = 500;
const longestPauseMs = 30_000;
/** A node that ran this long begins anew with the shortest pause. */
const healthyMs = 30_000;

/** One node: its process while it runs, and why it does not while it does not. */
export class SupervisedNode {
  #spec: NodeSpec;
  readonly #say: (text: string) => void;
  #process: NodeProcess | undefined;
  #note = '';
  #pauseMs = firstPauseMs;
  #startedAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(spec: NodeSpec, say: (text: string) => void) {
    this.#spec = spec;
    this.#say = say;
  }

  /** The first start. Rejects when the node cannot serve; then nothing is tried again. */
  async start(): Promise<void> {
    const child = await this.#spawn();
    await child.ready();
    // From now on an empty directory is one whose data is gone: it is not founded anew under the old id.
    this.#spec = { ...this.#spec, mode: 'continue' };
    this.#watch(child);
  }

  async view(): Promise<NodeView> {
    const running = this.#process?.running === true;
    return {
      id: this.#spec.id,
      pid: running ? this.#process?.pid : undefined,
      status: running ? await fetchStatus(this.#spec.http) : undefined,
      note: this.#note,
    };
  }

  async stop(graceMs: number): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#process?.stop(graceMs);
  }

  killNow(): void {
    this.#stopped = true;
    this.#process?.killNow();
  }

  async #spawn(): Promise<NodeProcess> {
    this.#startedAt = performance.now();
    const child = await NodeProcess.start(this.#spec);
    this.#process = child;
    // The stop may have come while the log file was opened.
    if (this.#stopped) child.killNow();
    return child;
  }

  #watch(child: NodeProcess): void {
    void child.exited.then((exit) => {
      if (!this.#stopped) this.#onExit(exit);
    });
  }

  #onExit(exit: NodeExit): void {
    const reason = exit.failure?.message ?? exit.text;
    if (isLasting(exit.failure?.code)) {
      this.#note = `down, and not started again: ${reason}`;
      this.#say(`node ${this.#spec.id} is ${this.#note}`);
      return;
    }
    if (performance.now() - this.#startedAt > healthyMs) this.#pauseMs = firstPauseMs;
    this.#note = `down: ${reason}; starting again in ${this.#pauseMs / 1000} s`;
    this.#say(`node ${this.#spec.id} is ${this.#note}`);
    this.#timer = setTimeout(() => void this.#restart(), this.#pauseMs);
    this.#pauseMs = Math.min(this.#pauseMs * 2, longestPauseMs);
  }

  async #restart(): Promise<void> {
    try {
      const child = await this.#spawn();
      this.#watch(child);
      await child.ready();
      this.#note = '';
      this.#say(`node ${this.#spec.id} is back, pid ${child.pid}`);
    } catch (error) {
      // A child that ended has been seen by its watcher; what never became a child has not.
      if (this.#process?.running !== true && !this.#stopped) this.#note = `down: ${(error as Error).message}`;
    }
  }
}
