/**
 * Starts nodes again that ended by themselves, as a supervisor would, and tells the ends that may happen (a full
 * disk, a server that was killed below its node) from those that never may.
 */
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { NodeProcess, TestCluster } from '@balsa/cluster';
import type { Findings } from './findings.ts';

const everyMs = 100;
/** After a start that failed, in milliseconds. */
const pauseMs = 500;

/** No kill, pause, cut network or full disk explains these. */
const never: ReadonlySet<string> = new Set([
  'STORE_CORRUPT',
  'STORE_ACKNOWLEDGED_WRITE_LOST',
  'STORE_IDENTITY_MISMATCH',
  'STORE_NOT_BOOTSTRAPPED',
  'STORE_FORMAT_VERSION',
  'STATE_AHEAD_OF_LOG',
  'UNKNOWN_COMMAND_VERSION',
  'INVARIANT_BROKEN',
  'INVALID_CONFIG',
]);

export class Keeper {
  readonly #cluster: TestCluster;
  readonly #findings: Findings;
  /** Nodes that a fault keeps down, or is about to start itself. */
  readonly #held = new Set<number>();
  readonly #judged = new Set<NodeProcess>();
  readonly #given = new Set<number>();
  readonly #stop = new AbortController();
  readonly #ended: Promise<void>;

  constructor(cluster: TestCluster, findings: Findings) {
    this.#cluster = cluster;
    this.#findings = findings;
    this.#ended = this.#run();
  }

  hold(id: number): void {
    this.#held.add(id);
  }

  release(id: number): void {
    this.#held.delete(id);
  }

  /** Ids that nothing holds. */
  free(): number[] {
    return this.#cluster.ids().filter((id) => !this.#held.has(id));
  }

  /** Nodes that ended in a way that never may happen: they stay down. */
  get fallen(): number {
    return this.#given.size;
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#ended;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await Promise.all(this.free().map((id) => this.#look(id)));
      await sleep(everyMs, undefined, { signal }).catch(() => undefined);
    }
  }

  async #look(id: number): Promise<void> {
    const node = this.#cluster.processOf(id);
    if (node === undefined || node.running || this.#given.has(id)) return;
    await this.#judge(id, node);
    if (this.#given.has(id) || this.#held.has(id) || this.#stop.signal.aborted) return;
    this.#held.add(id);
    try {
      await this.#cluster.start(id);
    } catch {
      // Its process says why; the next look judges it.
      await sleep(pauseMs);
    } finally {
      this.#held.delete(id);
    }
  }

  /** An end without a word is looked into by people. */
  async #tellLog(id: number, { spec }: NodeProcess): Promise<void> {
    const log = await readFile(spec.logFile, 'utf8').catch(() => '');
    this.#findings.note(
      `node ${id} ended without saying why; its log ends with:\n${log.trimEnd().split('\n').slice(-8).join('\n')}`,
    );
  }

  async #judge(id: number, node: NodeProcess): Promise<void> {
    if (this.#judged.has(node)) return;
    this.#judged.add(node);
    const { expected, failure, text } = await node.exited;
    if (expected) return;
    this.#findings.count(`ends ${failure?.code ?? text}`);
    if (failure?.code === undefined) await this.#tellLog(id, node);
    const crashed =
      failure === undefined ? / by SIG/.test(text) : failure.message.includes('unexpected error');
    if (!crashed && (failure?.code === undefined || !never.has(failure.code))) return;
    this.#given.add(id);
    this.#findings.violation(`node ${id} ${text}: ${failure?.message ?? 'it did not say why'}`);
  }
}
