/** Child processes: started, listened to, killed. */
import { spawn, type ChildProcess, type ChildProcessByStdio } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { jobVariable, type Job } from './job.ts';

export interface ChildOptions {
  /** The compiled shim to preload. */
  readonly shim?: string;
  /** Where it records. */
  readonly trace?: string;
  /** Called for each line; true kills the process at once. */
  readonly killAfter?: (line: string) => boolean;
  /** Milliseconds after which the process is killed and the run counts as failed. Default two minutes. */
  readonly timeoutMs?: number;
}

export interface ChildResult {
  readonly lines: readonly string[];
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
}

/** Children are plain Node, which does not run TypeScript: from the sources, too, the built program is started. */
function mainModule(): string {
  const beside = fileURLToPath(new URL('./main.js', import.meta.url));
  if (existsSync(beside)) return beside;
  const built = fileURLToPath(new URL('../../dist/child/main.js', import.meta.url));
  if (existsSync(built)) return built;
  throw new Error(`${built} is missing: build the packages first (npm run build)`);
}

/** What a process is started with, to be watched and disturbed. */
export function shimEnvironment(
  { directory, control }: Pick<Job, 'directory' | 'control'>,
  { shim, trace }: Pick<ChildOptions, 'shim' | 'trace'> = {},
): Record<string, string> {
  return {
    // Files through io_uring would pass by the shim.
    UV_USE_IO_URING: '0',
    ...(shim !== undefined && { LD_PRELOAD: shim, BALSA_SHIM_DIR: directory }),
    ...(trace !== undefined && { BALSA_SHIM_TRACE: trace }),
    ...(control !== undefined && { BALSA_SHIM_CONTROL: control }),
  };
}

function environment(job: Job, options: ChildOptions): NodeJS.ProcessEnv {
  return {
    ...process.env,
    NODE_OPTIONS: '',
    [jobVariable]: JSON.stringify(job),
    ...shimEnvironment(job, options),
  };
}

/** Those that have not ended. */
const living = new Set<ChildProcess>();

/** Kills every child that has not ended: nobody waits for it any more. */
export function killChildren(): void {
  for (const child of living) child.kill('SIGKILL');
}

function start(job: Job, options: ChildOptions): ChildProcessByStdio<Writable, Readable, Readable> {
  if (living.size === 0) process.once('exit', killChildren);
  const child = spawn(process.execPath, [mainModule()], {
    env: environment(job, options),
    // A child also ends by itself when its input does: that is how it learns that this process was killed.
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(options.timeoutMs !== undefined && { timeout: options.timeoutMs, killSignal: 'SIGTERM' }),
  });
  // What cannot be written any more is told by the exit.
  child.stdin.on('error', () => undefined);
  living.add(child);
  child.on('close', () => {
    living.delete(child);
    if (living.size === 0) process.off('exit', killChildren);
  });
  return child;
}

/** Runs a child to its end. Rejects only when it cannot be started or does not end in time. */
export function runChild(job: Job, options: ChildOptions = {}): Promise<ChildResult> {
  const { killAfter, timeoutMs = 120_000 } = options;
  const child = start(job, { ...options, timeoutMs });
  const lines: string[] = [];
  let stderr = '';
  child.stderr.on('data', (data: Buffer) => (stderr += data.toString()));
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line);
    if (killAfter?.(line) === true) child.kill('SIGKILL');
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (signal === 'SIGTERM')
        reject(
          new Error(
            `a child process did not end within ${String(timeoutMs)} ms; it said: ${lines.slice(-5).join(' | ')}`,
          ),
        );
      else resolve({ lines, code, signal, stderr });
    });
  });
}

/** The lines of a child that has to come to its own end. */
export function endedWell(result: ChildResult): readonly string[] {
  if (result.code === 0) return result.lines;
  const how = result.signal ?? `code ${String(result.code)}`;
  throw new Error(
    `a child process ended with ${how}\n${result.lines.slice(-3).join('\n')}\n${result.stderr}`,
  );
}

/** A child that answers: each line sent is answered by one line. Requests do not overlap. */
export class ChildServer {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #exited: Promise<string>;
  #stderr = '';
  #answer: ((line: string) => void) | undefined;

  constructor(job: Job, options: Pick<ChildOptions, 'shim'> = {}) {
    this.#child = start(job, options);
    this.#child.stderr.on('data', (data: Buffer) => (this.#stderr += data.toString()));
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.#answer?.(line));
    this.#exited = new Promise((resolve) => {
      this.#child.on('error', (error) => resolve(error.message));
      this.#child.on('close', (code, signal) => resolve(`${String(signal ?? code)}\n${this.#stderr}`));
    });
  }

  /** Rejects when the child ends instead of answering. */
  async ask(line: string): Promise<string> {
    const answer = new Promise<string>((resolve) => (this.#answer = resolve));
    this.#child.stdin.write(`${line}\n`);
    const ended = this.#exited.then((how): never => {
      throw new Error(`the process that opened the store ended: ${how}`);
    });
    return Promise.race([answer, ended]);
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exited;
  }
}
