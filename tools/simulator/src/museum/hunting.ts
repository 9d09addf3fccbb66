/** Hunts for a bug in a changed copy, in processes of their own. */
import { spawn, type ChildProcess } from 'node:child_process';
import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { buildCopy } from './copy.ts';
import type { Exhibit } from './exhibit.ts';
import type { Outcome } from './results.ts';

export interface HuntOptions {
  readonly root: string;
  readonly patch: string;
  /** Real time, and seeds, that may be spent. */
  readonly seconds: number;
  readonly seeds: number;
  readonly say: (text: string) => void;
}

interface Progress {
  readonly seed: number;
  readonly seconds: number;
  readonly events: number;
  readonly rule?: string;
  readonly message?: string;
}

/** The hunting program of the code as it is. */
const ownProgram = fileURLToPath(new URL('./hunt.js', import.meta.url));

export class Hunter {
  readonly #children = new Set<ChildProcess>();
  #stopped = false;

  /** Asked again after an await. */
  isStopped(): boolean {
    return this.#stopped;
  }

  stop(): void {
    this.#stopped = true;
    for (const child of this.#children) child.kill('SIGKILL');
  }

  /**
   * What the simulator found in the copy, if anything; undefined when it was stopped before it could say. A seed that breaks
   * a rule in the code as it is, too, is a bug of ours and no catch: it is told, and the hunt goes on behind it.
   */
  async hunt(exhibit: Exhibit, options: HuntOptions): Promise<Outcome | undefined> {
    const { patch, say } = options;
    const { directory, program } = buildCopy(options.root, exhibit);
    const on = new Date().toISOString().slice(0, 10);
    let seconds = 0;
    let events = 0;
    let seed = 0;
    try {
      while (seed < options.seeds && seconds < options.seconds) {
        const last = await this.#run(program, exhibit, seed + 1, options.seeds, options.seconds - seconds);
        if (this.isStopped()) return undefined;
        if (last === undefined) break;
        seconds += last.seconds;
        events += last.events;
        seed = last.seed;
        const { rule, message } = last;
        if (rule === undefined || message === undefined) break;
        const control = await this.#run(ownProgram, exhibit, seed, seed, 600);
        if (this.isStopped()) return undefined;
        if (control !== undefined && control.rule === undefined)
          return { patch, on, seeds: seed, seconds, caught: { seeds: seed, seconds, events, rule, message } };
        say(
          `seed ${seed} of ${exhibit.profile} breaks a rule in the unchanged code, too: ${String(control?.message)}`,
        );
      }
      return { patch, on, seeds: seed, seconds, caught: undefined };
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  }

  /** Its last word: the seed that broke a rule, or the last one that did not. */
  async #run(
    program: string,
    { profile, events }: Exhibit,
    from: number,
    to: number,
    seconds: number,
  ): Promise<Progress | undefined> {
    const child = spawn(process.execPath, [program, profile, String(events), String(from), String(to)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#children.add(child);
    let out = '';
    let last = '';
    child.stdout.on('data', (data: Buffer) => (out += data.toString()));
    child.stderr.on('data', (data: Buffer) => (last = data.toString().trimEnd().split('\n').at(-1) ?? last));
    const timer = setTimeout(() => child.kill('SIGKILL'), seconds * 1000);
    await new Promise((resolve) => child.once('close', resolve));
    clearTimeout(timer);
    this.#children.delete(child);
    const said = out === '' ? last : out;
    return said.startsWith('{') ? (JSON.parse(said) as Progress) : undefined;
  }
}
