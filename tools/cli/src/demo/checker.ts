/**
 * Judges the history of each key: is there one order of its writes and reads, each taking effect at one
 * moment between its call and its answer, that explains every read?
 *
 * Every write of a key carries an id of its own, and for such histories the question has a quick and
 * exact answer (Gibbons and Korach, "Testing Shared Memories", 1997, §4). The operations on one value
 * form a cluster: its write and the reads that returned it. Let `f` be the earliest answer in a cluster
 * and `s` the latest call. With `f < s` the value must have stood during all of [f, s], a forward zone; otherwise
 * there is a moment inside all of its operations, somewhere in [s, f], a backward zone. The history can be
 * explained when, and only when, no read comes before its write, no two forward zones overlap, and no
 * backward zone lies inside a forward zone.
 *
 * A write of unknown outcome has no answer: it may take effect at any moment after its call, even after
 * writes that were called later, or never. A refused write never happens.
 *
 * Memory: one small record for each write of each key; values are kept as checksums.
 */

import type { WriteOutcome } from '@balsa/cluster';

export interface Violation {
  readonly key: string;
  readonly rule:
    'read-of-nothing-written' | 'read-of-refused-write' | 'read-before-write' | 'value-altered' | 'no-order';
  readonly text: string;
}

/** The operations on one value of one key. */
interface Cluster {
  readonly id: number;
  readonly called: number;
  readonly checksum: number;
  outcome: WriteOutcome | 'pending';
  /** When the write was answered; infinite while it is not known to have taken effect. */
  answered: number;
  /** Earliest answer of any operation of the cluster. */
  firstAnswer: number;
  /** Latest call of any operation of the cluster. */
  lastCall: number;
  reads: number;
}

/** The value that no write made: the key is absent. */
const nothing = 0;
/** Violations kept; further ones are counted only. */
const maxViolations = 100;

interface KeyHistory {
  readonly clusters: Map<number, Cluster>;
  /** The id that the last read of the run returned. */
  finalId: number | undefined;
}

export interface PendingWrite {
  readonly key: string;
  readonly id: number;
}

export interface Verdict {
  readonly ok: boolean;
  readonly violations: readonly Violation[];
  readonly violationCount: number;
  readonly lostWrites: number;
}

function newCluster(id: number, called: number, checksum: number): Cluster {
  return {
    id,
    called,
    checksum,
    outcome: 'pending',
    answered: Infinity,
    firstAnswer: Infinity,
    lastCall: called,
    reads: 0,
  };
}

function newHistory(): KeyHistory {
  const absent = newCluster(nothing, -Infinity, 0);
  // Absence was written, and answered, before everything.
  absent.outcome = 'acknowledged';
  absent.answered = -Infinity;
  absent.firstAnswer = -Infinity;
  return { clusters: new Map([[nothing, absent]]), finalId: undefined };
}

/** Times are of one clock of this process, in any unit. Calls and answers are recorded as they happen. */
export class HistoryChecker {
  readonly #keys = new Map<string, KeyHistory>();
  readonly #violations: Violation[] = [];
  #violationCount = 0;
  #acknowledged = 0;
  #unknown = 0;
  #reads = 0;

  get keyCount(): number {
    return this.#keys.size;
  }

  get acknowledgedWrites(): number {
    return this.#acknowledged;
  }

  get unknownWrites(): number {
    return this.#unknown;
  }

  get readCount(): number {
    return this.#reads;
  }

  keys(): IterableIterator<string> {
    return this.#keys.keys();
  }

  /** A write is called. `id` is above 0 and used once for the key; `checksum` is of the value as it will be read. */
  called(key: string, id: number, checksum: number, now: number): PendingWrite {
    const history = this.#history(key);
    if (id <= nothing || history.clusters.has(id))
      throw new RangeError(`write id ${id} of ${key} is not new`);
    history.clusters.set(id, newCluster(id, now, checksum));
    return { key, id };
  }

  answered(write: PendingWrite, outcome: WriteOutcome, now: number): void {
    const cluster = this.#history(write.key).clusters.get(write.id);
    if (cluster?.outcome !== 'pending')
      throw new RangeError(`write ${write.id} of ${write.key} is not pending`);
    cluster.outcome = outcome;
    if (outcome === 'acknowledged') {
      cluster.answered = now;
      cluster.firstAnswer = Math.min(cluster.firstAnswer, now);
      this.#acknowledged++;
    } else if (outcome === 'unknown') this.#unknown++;
    else if (cluster.reads > 0) this.#readOfRefused(write.key, write.id);
  }

  /**
   * A read was answered with the value of write `id`, or with none (undefined). `final` marks the last
   * read of the key, made when nothing else is under way.
   */
  read(
    key: string,
    value: { readonly id: number; readonly checksum: number } | undefined,
    called: number,
    now: number,
    final = false,
  ): void {
    this.#reads++;
    const history = this.#history(key);
    const id = value?.id ?? nothing;
    if (final) history.finalId = id;
    const cluster = history.clusters.get(id);
    if (cluster === undefined || (value !== undefined && id === nothing)) {
      this.#complain(key, 'read-of-nothing-written', `a read returned id ${id}, which nobody wrote`);
      return;
    }
    if (value !== undefined && value.checksum !== cluster.checksum) {
      this.#complain(key, 'value-altered', `the value of write ${id} came back altered`);
    }
    cluster.reads++;
    if (cluster.outcome === 'refused') this.#readOfRefused(key, id);
    if (now < cluster.called) {
      this.#complain(key, 'read-before-write', `a read returned write ${id} before it was called`);
    }
    cluster.firstAnswer = Math.min(cluster.firstAnswer, now);
    cluster.lastCall = Math.max(cluster.lastCall, called);
  }

  verdict(): Verdict {
    let lostWrites = 0;
    for (const [key, history] of this.#keys) {
      this.#judge(key, history);
      lostWrites += lostWritesOf(history);
    }
    return {
      ok: this.#violationCount === 0 && lostWrites === 0,
      violations: this.#violations,
      violationCount: this.#violationCount,
      lostWrites,
    };
  }

  #history(key: string): KeyHistory {
    let history = this.#keys.get(key);
    if (history === undefined) this.#keys.set(key, (history = newHistory()));
    return history;
  }

  #judge(key: string, history: KeyHistory): void {
    // A write that never happened, or may not have and was never seen, asks for nothing.
    const clusters = [...history.clusters.values()].filter(
      (one) => one.outcome === 'acknowledged' || one.reads > 0,
    );
    const forward = clusters.filter(isForward).sort((a, b) => a.firstAnswer - b.firstAnswer);
    for (const [i, zone] of forward.entries()) {
      const next = forward[i + 1];
      if (next !== undefined && next.firstAnswer < zone.lastCall) {
        this.#complain(
          key,
          'no-order',
          `${name(zone)} and ${name(next)} each had to stand while the other did`,
        );
      }
    }
    for (const cluster of clusters) {
      if (isForward(cluster)) continue;
      const around = zoneAround(forward, cluster);
      if (around !== undefined) {
        this.#complain(
          key,
          'no-order',
          `${name(cluster)} happened while ${name(around)} had to stand unchanged`,
        );
      }
    }
  }

  #readOfRefused(key: string, id: number): void {
    this.#complain(key, 'read-of-refused-write', `write ${id} was refused, and a read returned it`);
  }

  #complain(key: string, rule: Violation['rule'], text: string): void {
    this.#violationCount++;
    if (this.#violations.length < maxViolations) this.#violations.push({ key, rule, text });
  }
}

function isForward(cluster: Cluster): boolean {
  return cluster.firstAnswer < cluster.lastCall;
}

/** A forward zone that holds all of a backward one. Forward zones are sorted by where they begin. */
function zoneAround(forward: readonly Cluster[], backward: Cluster): Cluster | undefined {
  for (const zone of forward) {
    if (zone.firstAnswer >= backward.lastCall) return undefined;
    if (backward.firstAnswer < zone.lastCall) return zone;
  }
  return undefined;
}

/** Acknowledged writes that began and ended while the value read last already stood. */
function lostWritesOf(history: KeyHistory): number {
  if (history.finalId === undefined) return 0;
  const final = history.clusters.get(history.finalId);
  // A final value that nobody wrote: everything acknowledged is gone.
  const from = final?.firstAnswer ?? -Infinity;
  const to = final?.lastCall ?? Infinity;
  let lost = 0;
  for (const cluster of history.clusters.values()) {
    if (cluster === final || cluster.id === nothing || cluster.outcome !== 'acknowledged') continue;
    if (cluster.called > from && cluster.answered < to) lost++;
  }
  return lost;
}

function name(cluster: Cluster): string {
  return cluster.id === nothing ? 'absence' : `write ${cluster.id}`;
}
