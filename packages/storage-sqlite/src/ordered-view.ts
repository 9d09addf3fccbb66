/** Points in time of an ordered store: read transactions on connections of their own. */
import {
  BalsaError,
  type KeyValue,
  type LogIndex,
  type OrderedView,
  type RangeOptions,
} from '@balsa/raft-core';
import { refused } from './errors.ts';
import { openConnection } from './schema.ts';
import type { StateFile } from './state-file.ts';
import type { Turns } from './turns.ts';
import { StateTables, type StateSummary } from './state-tables.ts';

/** Connections kept for the next view. */
const maxIdle = 2;

class SqliteView implements OrderedView {
  readonly appliedIndex: LogIndex;
  readonly count: number;
  readonly #tables: StateTables;
  readonly #turns: Turns;
  readonly #check: () => void;
  readonly #ended: (view: SqliteView) => void;
  #over: BalsaError | undefined;

  constructor(
    tables: StateTables,
    summary: StateSummary,
    turns: Turns,
    check: () => void,
    ended: (view: SqliteView) => void,
  ) {
    this.appliedIndex = summary.appliedIndex;
    this.count = summary.count;
    this.#tables = tables;
    this.#turns = turns;
    this.#check = check;
    this.#ended = ended;
  }

  async range(options: RangeOptions): Promise<KeyValue[]> {
    this.#assertLive();
    return this.#turns.run(() => {
      this.#assertLive();
      try {
        return this.#tables.range(options);
      } catch (error) {
        throw refused(error, 'read from a view');
      }
    });
  }

  release(): Promise<void> {
    this.end(new BalsaError('STORE_CLOSED', 'this view is released'));
    return Promise.resolve();
  }

  end(reason: BalsaError): StateTables | undefined {
    if (this.#over !== undefined) return undefined;
    this.#over = reason;
    this.#ended(this);
    return this.#tables;
  }

  get tables(): StateTables {
    return this.#tables;
  }

  #assertLive(): void {
    if (this.#over !== undefined) throw this.#over;
    this.#check();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }
}

/** The views of one generation. */
export class Views {
  readonly #file: StateFile;
  readonly #max: number;
  readonly #turns: Turns;
  readonly #check: () => void;
  readonly #live = new Set<SqliteView>();
  readonly #idle: StateTables[] = [];
  #retired: (() => void) | undefined;

  constructor(file: StateFile, max: number, turns: Turns, check: () => void) {
    this.#file = file;
    this.#max = max;
    this.#turns = turns;
    this.#check = check;
  }

  get size(): number {
    return this.#live.size;
  }

  /** `OVERLOADED` when there are too many. */
  begin(): OrderedView {
    if (this.#live.size >= this.#max) {
      throw new BalsaError('OVERLOADED', `${String(this.#max)} views are open; release one first`, {
        details: { maxViews: this.#max },
      });
    }
    const { path, generation } = this.#file;
    const tables = this.#idle.pop() ?? new StateTables(openConnection(path, true), path, generation);
    let summary: StateSummary;
    try {
      tables.db.exec('BEGIN');
      // The first read fixes the point in time.
      summary = tables.summary();
    } catch (error) {
      tables.db.close();
      throw error;
    }
    const view = new SqliteView(tables, summary, this.#turns, this.#check, (ended) => {
      this.#end(ended);
    });
    this.#live.add(view);
    return view;
  }

  /** Ends the view that was begun first, because it pins more space than is allowed. False when there is none. */
  revokeOldest(pinned: number): boolean {
    const [oldest] = this.#live;
    oldest?.end(
      new BalsaError(
        'STORE_SNAPSHOT_ABORTED',
        `this view was ended: it kept ${String(pinned)} bytes of write-ahead log from reuse`,
        {
          details: { pinned },
        },
      ),
    );
    return oldest !== undefined;
  }

  /** Calls back, at once or when the last view is released, with every connection closed. */
  retire(done: () => void): void {
    this.#retired = done;
    this.#finish();
  }

  endAll(reason: BalsaError): void {
    for (const view of [...this.#live]) view.end(reason);
    this.#closeIdle();
  }

  #end(view: SqliteView): void {
    this.#live.delete(view);
    const { tables } = view;
    if (this.#retired !== undefined || this.#idle.length >= maxIdle) {
      tables.db.close();
    } else {
      tables.db.exec('ROLLBACK');
      this.#idle.push(tables);
    }
    this.#finish();
  }

  #finish(): void {
    if (this.#retired === undefined || this.#live.size > 0) return;
    this.#closeIdle();
    const done = this.#retired;
    this.#retired = undefined;
    done();
  }

  #closeIdle(): void {
    for (const tables of this.#idle.splice(0)) tables.db.close();
  }
}
