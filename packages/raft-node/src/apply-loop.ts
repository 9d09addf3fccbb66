/**
 * The apply thread of the core: committed entries into the state machine, in order.
 *
 * Nothing behind a membership change goes to the state machine before its conf state is durable, so
 * that after any crash the membership is never older than the state.
 */
import {
  decodeConfChange,
  EntryType,
  entrySize,
  invariant,
  isBalsaError,
  LogLevel,
  type ConfState,
  type ConfChange,
  type Command,
  type Entry,
  type Env,
  type IndexedConfState,
  type LogIndex,
  type Message,
  type StateMachine,
} from '@balsa/raft-core';
import { payloadOf } from './envelope.ts';
import type { AppliedHistory } from './history.ts';
import type { MetricsRecorder } from './metrics.ts';
import { nextTurn } from './next-turn.ts';
import { applyBatch } from './serial-machine.ts';

export interface ApplyLoopOptions<R> {
  readonly stateMachine: StateMachine<R>;
  readonly env: Env;
  readonly metrics: MetricsRecorder;
  readonly history: AppliedHistory;
  /** Whether clients may wait for what is applied: those of a leader. */
  readonly isUrgent: () => boolean;
  readonly applyConfChange: (change: ConfChange) => ConfState;
  /** Resolves when addresses and conf state are durable. */
  readonly recordConf: (change: ConfChange, confState: IndexedConfState) => Promise<void>;
  /** An entry took effect; `result` for a command, `confState` for a membership change unless it was refused. */
  readonly onEntry: (entry: Entry, result: R | undefined, confState: ConfState | undefined) => void;
  /** The applied index grew. */
  readonly onApplied: (entries: number, bytes: number) => void;
  readonly deliver: (responses: readonly Message[]) => void;
  readonly onError: (error: unknown) => void;
}

export class ApplyLoop<R> {
  readonly #options: ApplyLoopOptions<R>;
  #messages: Message[] = [];
  #running: Promise<void> | undefined;
  #closed = false;

  constructor(options: ApplyLoopOptions<R>) {
    this.#options = options;
  }

  /** MsgStorageApply messages that wait. */
  get length(): number {
    return this.#messages.length;
  }

  get applied(): LogIndex {
    return this.#options.history.applied;
  }

  get idle(): boolean {
    return this.#running === undefined;
  }

  /** Takes a MsgStorageApply. */
  push(message: Message): void {
    if (this.#closed) return;
    this.#messages.push(message);
    this.#running ??= this.#run();
  }

  /** Resolves when nothing waits to be applied. Never rejects. */
  async whenIdle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  /** Lets the call in flight finish and applies nothing more. Never rejects. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#messages = [];
    await this.#running;
  }

  /** Asked again after each await. */
  #isClosed(): boolean {
    return this.#closed;
  }

  async #run(): Promise<void> {
    await this.#begin();
    try {
      while (!this.#closed && this.#messages.length > 0) {
        const messages = this.#messages;
        this.#messages = [];
        await this.#apply(messages.flatMap((message) => message.entries));
        // A node that is closing must not tell the core that it applied what it did not.
        if (!this.#isClosed()) this.#options.deliver(messages.flatMap((message) => message.responses));
      }
    } catch (error) {
      this.#closed = true;
      this.#messages = [];
      this.#options.onError(error);
    } finally {
      this.#running = undefined;
    }
  }

  /**
   * Not in the caller's turn. Where nobody waits for the results, what came with the entries goes first: in the next turn
   * the log is written, in the one after that the acknowledgement leaves.
   */
  async #begin(): Promise<void> {
    await Promise.resolve();
    if (this.#options.isUrgent()) return;
    const { env } = this.#options;
    await nextTurn(env);
    await nextTurn(env);
  }

  async #apply(entries: readonly Entry[]): Promise<void> {
    checkConsecutive(entries);
    let start = 0;
    while (start < entries.length && !this.#closed) {
      // What a snapshot has overtaken is in the state already, and its membership changes are in the snapshot's.
      if (this.#isContained(entries[start])) {
        start++;
        continue;
      }
      let end = start;
      while (end < entries.length && entries[end]?.type === EntryType.Normal) end++;
      if (end > start) await this.#applyCommands(entries.slice(start, end));
      const change = entries[end];
      if (change !== undefined && !this.#isClosed()) await this.#applyChange(change);
      start = end + 1;
    }
  }

  /** Whether the state holds it already. What lies further ahead than the next index would leave a gap. */
  #isContained(entry: Entry | undefined): boolean {
    const { applied } = this.#options.history;
    const index = entry?.index ?? 0;
    invariant(
      index <= applied + 1,
      'entries are applied without a gap',
      () => `${String(index)} after ${String(applied)}`,
    );
    return index <= applied;
  }

  async #applyCommands(entries: readonly Entry[]): Promise<void> {
    const { stateMachine, history, metrics, env, onEntry, onApplied } = this.#options;
    const last = entries.at(-1);
    if (last === undefined) return;
    const commands: Command[] = [];
    let bytes = 0;
    for (const entry of entries) {
      bytes += entrySize(entry);
      // Empty: the no-op of a new leader (paper §8), or a membership change that was not possible.
      if (entry.data.length === 0) continue;
      commands.push({ index: entry.index, term: entry.term, data: payloadOf(entry.data, entry.index) });
    }
    const start = env.now();
    const results = await applyBatch(stateMachine, { commands, appliedIndex: last.index });
    metrics.observe('applyMs', env.now() - start);
    metrics.add('entriesApplied', entries.length);
    history.entriesApplied(entries, last.index);
    let next = 0;
    for (const entry of entries) {
      onEntry(entry, entry.data.length === 0 ? undefined : results[next++], undefined);
    }
    onApplied(entries.length, bytes);
  }

  async #applyChange(entry: Entry): Promise<void> {
    const { stateMachine, history, metrics, recordConf, onEntry, onApplied } = this.#options;
    const change = decodeConfChange(entry.type, entry.data);
    let confState: ConfState | undefined;
    let refused = false;
    if (entry.index > history.confIndex) {
      confState = this.#changed(change, entry.index);
      if (confState === undefined) refused = true;
      else await recordConf(change, { index: entry.index, state: confState });
    }
    // A read that is answered from here on may rely on the state machine's own applied index.
    if (!this.#closed) await applyBatch(stateMachine, { commands: [], appliedIndex: entry.index });
    if (confState !== undefined) {
      history.confApplied({ index: entry.index, state: confState });
      metrics.add('confChanges');
    }
    history.entriesApplied([entry], entry.index);
    onEntry(entry, undefined, refused ? undefined : (confState ?? history.confState?.state));
    onApplied(1, entrySize(entry));
  }

  /**
   * The membership after a change; undefined when the present one does not allow it. Every member has the
   * same present membership at that index, so every member refuses it alike, and goes on.
   */
  #changed(change: ConfChange, index: LogIndex): ConfState | undefined {
    try {
      return this.#options.applyConfChange(change);
    } catch (error) {
      if (!isBalsaError(error, 'CONF_CHANGE_INVALID')) throw error;
      this.#options.env.log.log(
        LogLevel.Error,
        `the membership change at index ${String(index)} has no effect: ${error.message}`,
        { error },
      );
      return undefined;
    }
  }
}

function checkConsecutive(entries: readonly Entry[]): void {
  const first = entries[0]?.index ?? 0;
  const stray = entries.find((entry, i) => entry.index !== first + i);
  invariant(
    stray === undefined,
    'entries are applied without a gap',
    () => `${String(stray?.index)} in a batch from ${String(first)}`,
  );
}
