/**
 * The storage thread of the core: group commit.
 *
 * What arrives while a write is in flight is merged into the next one, and all responses leave after it,
 * in order. One round is one `Storage.write`, hence one sync. A commit index alone is not worth a sync:
 * it waits for the next write that needs one, or for the idle timer.
 */
import {
  BalsaError,
  MessageType,
  type Entry,
  type Env,
  type HardState,
  type IndexedConfState,
  type LogIndex,
  type Message,
  type Snapshot,
  type SnapshotId,
  type Storage,
  type Timer,
  type WriteBatch,
} from '@balsa/raft-core';
import type { MetricsRecorder } from './metrics.ts';

export interface AppendQueueOptions {
  readonly storage: Storage;
  readonly env: Env;
  readonly metrics: MetricsRecorder;
  readonly commitFlushMs: number;
  /** What is durable at start. */
  readonly hardState: HardState;
  /** Called with the responses of one round once they may leave. */
  readonly deliver: (responses: readonly Message[]) => void;
  /** The stored snapshot that a received one became. Throws when there is none. */
  readonly storedId: (snapshot: Snapshot) => SnapshotId;
  readonly installer: {
    /** Makes durable what the membership of a snapshot needs besides. Awaited before that membership is. */
    recordMembers(snapshot: Snapshot): Promise<void>;
    /** Restores it into the state machine, durably. */
    restore(id: SnapshotId, snapshot: Snapshot): Promise<void>;
  };
  /** A write failed: nothing is acknowledged any more. */
  readonly onError: (error: unknown) => void;
}

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

interface Pushed {
  readonly message: Message;
  readonly requests: readonly Message[];
}

/** What one write carries. */
class Round {
  entries: Entry[] = [];
  hardState: HardState | undefined;
  responses: Message[] = [];
  snapshot: Snapshot | undefined;

  add({ message, requests }: Pushed, responses: readonly Message[]): void {
    const first = message.entries[0];
    if (first !== undefined) {
      this.#truncateFrom(first.index);
      for (const entry of message.entries) this.entries.push(entry);
    }
    if (message.snapshot !== undefined) this.snapshot = message.snapshot;
    const hardState = hardStateOf(message);
    if (hardState !== undefined) this.hardState = hardState;
    for (const request of requests) this.responses.push(request);
    for (const response of responses) this.responses.push(response);
  }

  /** An acknowledgement of an entry that is overwritten before it was ever durable would be a lie: it is dropped. */
  #truncateFrom(index: LogIndex): void {
    while ((this.entries.at(-1)?.index ?? 0) >= index) this.entries.pop();
    const acknowledges = (m: Message): boolean =>
      m.type === MessageType.MsgAppResp && !m.reject && m.index >= index;
    if (this.responses.some(acknowledges)) this.responses = this.responses.filter((m) => !acknowledges(m));
  }
}

function hardStateOf(message: Message): HardState | undefined {
  const { term, vote, commit } = message;
  return term === 0 && vote === 0 && commit === 0 ? undefined : { term, vote, commit };
}

function isSameReport(report: Message, before: Message | undefined): boolean {
  return (
    before !== undefined &&
    before.index === report.index &&
    before.logTerm === report.logTerm &&
    before.term === report.term
  );
}

export class AppendQueue {
  readonly #options: AppendQueueOptions;
  #messages: Pushed[] = [];
  /** Newest hard state that the core gave; ahead of the durable one in commit only. */
  #hardState: HardState;
  #durable: HardState;
  #confState: IndexedConfState | undefined;
  #restored: SnapshotId | undefined;
  /** The last report on the end of the log that was, or will be, given to the core. */
  #reported: Message | undefined;
  #waiters: Waiter[] = [];
  #flushWanted = false;
  #running: Promise<void> | undefined;
  #idle: Timer | undefined;
  #closed = false;

  constructor(options: AppendQueueOptions) {
    this.#options = options;
    this.#hardState = options.hardState;
    this.#durable = options.hardState;
  }

  /** MsgStorageAppend messages that wait for a write. */
  get length(): number {
    return this.#messages.length;
  }

  /** The commit index that is durable. */
  get durableCommit(): LogIndex {
    return this.#durable.commit;
  }

  /**
   * Takes a MsgStorageAppend. Nothing happens in the caller's turn. `requests` for votes leave with its responses: the
   * core would let them leave at once, because its own vote counts only when it is durable. But the others can
   * elect it without that vote; then it leads a term that a crash makes it forget, and can lead the same term once
   * more with other entries (paper, Figure 2: the term and the vote are persistent before anybody is asked).
   */
  push(message: Message, requests: readonly Message[] = []): void {
    if (this.#closed) return;
    this.#messages.push({ message, requests });
    this.#kick();
  }

  /** Resolves when the membership is durable. It shares the write of whatever else is waiting. */
  writeConfState(confState: IndexedConfState): Promise<void> {
    this.#confState = confState;
    return this.#wait();
  }

  /** Resolves when everything given so far is durable, the commit index included. */
  flush(): Promise<void> {
    return this.#wait();
  }

  /** Lets the write in flight finish and takes nothing more. Never rejects. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#messages = [];
    this.#idle?.cancel();
    await this.#running;
    const error = new BalsaError('STOPPED', 'the node stopped before this was written');
    for (const waiter of this.#waiters.splice(0)) waiter.reject(error);
  }

  #wait(): Promise<void> {
    if (this.#closed)
      return Promise.reject(new BalsaError('STOPPED', 'the node is stopped: nothing is written any more'));
    return new Promise((resolve, reject) => {
      this.#flushWanted = true;
      this.#waiters.push({ resolve, reject });
      this.#kick();
    });
  }

  #kick(): void {
    this.#running ??= this.#run();
  }

  async #run(): Promise<void> {
    // Everything that the present turn still pushes belongs to the same write.
    await Promise.resolve();
    try {
      while (!this.#closed && (this.#messages.length > 0 || this.#flushWanted)) {
        const round = this.#take();
        if (round.snapshot === undefined) await this.#write(round);
        else await this.#install(round, round.snapshot);
      }
    } catch (error) {
      this.#closed = true;
      this.#messages = [];
      for (const waiter of this.#waiters.splice(0)) waiter.reject(error);
      this.#options.onError(error);
    } finally {
      this.#running = undefined;
    }
    this.#armIdle();
  }

  /** As many messages as one write can carry. The installation of a snapshot goes alone. */
  #take(): Round {
    const round = new Round();
    let taken = 0;
    for (const pushed of this.#messages) {
      const installs = pushed.message.snapshot !== undefined;
      if (installs && taken > 0) break;
      round.add(pushed, this.#news(pushed.message));
      taken++;
      if (installs) break;
    }
    this.#messages.splice(0, taken);
    if (round.hardState !== undefined) this.#hardState = round.hardState;
    return round;
  }

  /**
   * The responses of a message without a report that says what the one before it said. While a write is under
   * way, every move of the commit index brings one; to the core it is old, and worth a line in its log.
   */
  #news({ entries, responses }: Message): readonly Message[] {
    const report = responses.find(({ type }) => type === MessageType.MsgStorageAppendResp);
    if (report === undefined) return responses;
    const before = this.#reported;
    this.#reported = report;
    const isNews = entries.length > 0 || report.snapshot !== undefined || !isSameReport(report, before);
    return isNews ? responses : responses.filter((response) => response !== report);
  }

  async #write(round: Round): Promise<void> {
    const { term, vote, commit } = this.#hardState;
    const changed = term !== this.#durable.term || vote !== this.#durable.vote;
    const commitMoved = commit !== this.#durable.commit;
    // Side work waits for its place behind an installation, but joins any other round.
    const waiters = this.#waiters;
    const confState = this.#confState;
    const restored = this.#restored;
    const wanted = this.#flushWanted;
    if (round.entries.length > 0 || changed || wanted) {
      this.#waiters = [];
      this.#confState = undefined;
      this.#restored = undefined;
      this.#flushWanted = false;
      const hardState = this.#hardState;
      const batch: WriteBatch = {
        ...(round.entries.length > 0 && { entries: round.entries }),
        ...((changed || commitMoved) && { hardState }),
        ...(confState !== undefined && { confState }),
        ...(restored !== undefined && { restored }),
      };
      try {
        if (Object.keys(batch).length > 0) await this.#timed(batch, round.entries.length);
      } catch (error) {
        for (const waiter of waiters) waiter.reject(error);
        throw error;
      }
      this.#durable = hardState;
      for (const waiter of waiters) waiter.resolve();
    }
    // Without anything to write, what the responses promise is durable already.
    if (round.responses.length > 0) this.#options.deliver(round.responses);
  }

  async #install(round: Round, snapshot: Snapshot): Promise<void> {
    const id = this.#options.storedId(snapshot);
    const { index } = snapshot.metadata;
    const hardState = { ...this.#hardState, commit: Math.max(this.#hardState.commit, index) };
    const restored = this.#restored;
    if (restored !== undefined) await this.#timed({ restored }, 0);
    this.#restored = undefined;
    const { entries } = round;
    await this.#options.installer.recordMembers(snapshot);
    await this.#timed({ install: id, ...(entries.length > 0 && { entries }), hardState }, entries.length);
    this.#hardState = hardState;
    this.#durable = hardState;
    await this.#options.installer.restore(id, snapshot);
    // Restoring again after a crash is harmless, so that this mark may wait for the next write.
    this.#restored = id;
    if (round.responses.length > 0) this.#options.deliver(round.responses);
  }

  async #timed(batch: WriteBatch, entries: number): Promise<void> {
    const { env, metrics, storage } = this.#options;
    const start = env.now();
    await storage.write(batch);
    metrics.add('storageWrites');
    metrics.add('entriesPersisted', entries);
    metrics.observe('storageWriteMs', env.now() - start);
    metrics.observe('writeBatchEntries', entries);
  }

  /** Writes by itself, after a while without other writes, what only waits for company. */
  #armIdle(): void {
    this.#idle?.cancel();
    this.#idle = undefined;
    if (this.#closed) return;
    if (this.#hardState.commit === this.#durable.commit && this.#restored === undefined) return;
    this.#idle = this.#options.env.setTimer(this.#options.commitFlushMs, () => {
      this.#idle = undefined;
      this.#flushWanted = true;
      this.#kick();
    });
  }
}
