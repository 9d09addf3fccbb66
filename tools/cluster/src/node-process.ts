/** One `balsa serve` as a child process: start it, wait for it, stop it, kill it. */
import { fork, type ChildProcess } from 'node:child_process';
import { openSync, closeSync } from 'node:fs';
import { mkdir, rename, stat } from 'node:fs/promises';
import path from 'node:path';
import { balsaProgram } from './balsa-program.ts';
import { CommandFailure } from './failure.ts';
import { formatHostPort, type ClusterMember, type HostPort } from './addresses.ts';
import { storageArguments, type NodeStorage } from './node-storage.ts';
import { untilGone } from './processes.ts';
import { isChildReport, type FailedReport, type ServerReport } from './child-report.ts';

export interface NodeSpec {
  readonly id: number;
  readonly clusterId: string;
  /** Data directory of the node. */
  readonly directory: string;
  /** Where its log lines go. */
  readonly logFile: string;
  readonly resp: HostPort;
  readonly http: HostPort;
  readonly raft: HostPort;
  readonly members: readonly ClusterMember[];
  /** What an empty data directory means: a founding member, a member to be added, or data that is gone. */
  readonly mode: 'bootstrap' | 'join' | 'continue';
  /** Further arguments of `balsa serve`. */
  readonly extra?: readonly string[];
  /** Default: what the directory was made with, and SQLite for a new one. */
  readonly storage?: NodeStorage;
  /** JavaScript file of the `balsa` command. Default: that of the installed @balsa/cli. */
  readonly program?: string;
}

export interface NodeExit {
  /** Whether somebody here asked for it. */
  readonly expected: boolean;
  readonly text: string;
  readonly failure: FailedReport | undefined;
}

/** From the end of a process until its last message is read, in milliseconds. */
const lastWordsMs = 1_000;
/** A log file larger than this is put aside when the node starts; one old one is kept. In bytes. */
const maxLogBytes = 16 * 1024 * 1024;

function serveArguments(spec: NodeSpec): string[] {
  return [
    'serve',
    ...['--id', String(spec.id)],
    ...['--data', spec.directory],
    ...['--raft', formatHostPort(spec.raft)],
    ...['--resp', formatHostPort(spec.resp)],
    ...['--http', formatHostPort(spec.http)],
    ...['--cluster', spec.members.map(({ id, address }) => `${id}=${address}`).join(',')],
    ...['--cluster-id', spec.clusterId],
    ...(spec.mode === 'continue' ? [] : [`--${spec.mode}`]),
    ...storageArguments(spec.storage),
    ...(spec.extra ?? []),
  ];
}

async function openLog(file: string): Promise<number> {
  await mkdir(path.dirname(file), { recursive: true });
  const size = await stat(file).then(
    (found) => found.size,
    () => 0,
  );
  if (size > maxLogBytes) await rename(file, `${file}.1`);
  return openSync(file, 'a');
}

export class NodeProcess {
  readonly spec: NodeSpec;
  /** Resolves when the process has ended, for whatever reason. */
  readonly exited: Promise<NodeExit>;
  readonly #child: ChildProcess;
  readonly #ready: Promise<void>;
  #failure: FailedReport | undefined;
  #server: ServerReport | undefined;
  #expected = false;
  #running = true;

  private constructor(spec: NodeSpec, child: ChildProcess) {
    this.spec = spec;
    this.#child = child;
    this.exited = new Promise((resolve) => {
      const end = (text: string): void => {
        resolve({ expected: this.#expected, text, failure: this.#failure });
      };
      child.once('error', (error) => {
        this.#running = false;
        end(`cannot be started: ${error.message}`);
      });
      child.once('exit', (code, signal) => {
        this.#running = false;
        const text = signal === null ? `ended with exit code ${code ?? 0}` : `was ended by ${signal}`;
        // What it said last may still be in the channel, which ends after it.
        if (!child.connected) {
          end(text);
          return;
        }
        const timer = setTimeout(end, lastWordsMs, text);
        child.once('disconnect', () => {
          clearTimeout(timer);
          end(text);
        });
      });
    });
    this.#ready = new Promise((resolve) => {
      child.on('message', (message) => {
        if (!isChildReport(message)) return;
        if (message.type === 'failed') this.#failure = message;
        else if (message.type === 'server') this.#server = message;
        else resolve();
      });
    });
  }

  static async start(spec: NodeSpec): Promise<NodeProcess> {
    const log = await openLog(spec.logFile);
    try {
      const child = fork(spec.program ?? balsaProgram(), serveArguments(spec), {
        stdio: ['ignore', log, log, 'ipc'],
        // Whatever this process was started with is its own affair.
        execArgv: [],
        // A terminal's Ctrl-C goes to the parent alone, which stops its nodes in order.
        detached: true,
      });
      return new NodeProcess(spec, child);
    } finally {
      closeSync(log);
    }
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get running(): boolean {
    return this.#running;
  }

  /** The server of its own that holds its data, as it told last; undefined when there is none. */
  get server(): { readonly pid: number; readonly url: string } | undefined {
    return this.#server;
  }

  /** Resolves when the node serves; rejects with what it said when it ends before. */
  async ready(): Promise<void> {
    const exit = await Promise.race([this.#ready, this.exited]);
    if (exit === undefined) return;
    const { failure } = exit;
    throw new CommandFailure(
      failure === undefined
        ? `Node ${this.spec.id} ${exit.text} before it was ready. Its log: ${this.spec.logFile}`
        : `Node ${this.spec.id}: ${failure.message}`,
      failure?.code === undefined ? {} : { code: failure.code as NonNullable<CommandFailure['code']> },
    );
  }

  /**
   * Asks it to stop, and kills it after `graceMs`. It takes the end of the channel for the end of the
   * whole cluster, and does not look for a successor as it would after SIGTERM.
   */
  async stop(graceMs: number): Promise<void> {
    this.#expected = true;
    if (!this.#running) return;
    if (this.#child.connected) this.#child.disconnect();
    else this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), graceMs);
    await this.#untilGone();
    clearTimeout(timer);
  }

  /** SIGKILL, as a crash of the process would be. */
  async kill(): Promise<void> {
    this.#expected = true;
    if (this.#running) this.#child.kill('SIGKILL');
    await this.#untilGone();
  }

  /** SIGSTOP: it stands still with all its connections open, until `resume`. */
  pause(): void {
    if (this.#running) this.#child.kill('SIGSTOP');
  }

  resume(): void {
    if (this.#running) this.#child.kill('SIGCONT');
  }

  /** For the last moments of this process, when nothing can be waited for. */
  killNow(): void {
    this.#expected = true;
    if (this.#running) this.#child.kill('SIGKILL');
  }

  /** Its server ends with it, a moment later, and holds the node's directory until then. */
  async #untilGone(): Promise<void> {
    await this.exited;
    if (this.#server !== undefined)
      await untilGone(this.#server.pid, `the server of node ${this.spec.id} to end`);
  }
}
