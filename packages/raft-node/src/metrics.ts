/** Counters, gauges and histograms of one node, as plain numbers that any monitoring can take. */

/** Counts of observations at or below each bound; the last count is of those above all bounds. */
export interface HistogramSnapshot {
  /** Upper bounds of the buckets, in the unit of the metric's name, ascending. */
  readonly bounds: readonly number[];
  /** One more than bounds; not cumulative. */
  readonly counts: readonly number[];
  readonly sum: number;
  readonly count: number;
}

/** Counters only grow while the node runs; gauges are of the moment. */
export interface NodeMetrics {
  readonly counters: Readonly<Record<CounterName, number>>;
  /** Proposals by how they ended: `ok` or an error code. */
  readonly proposalOutcomes: Readonly<Record<string, number>>;
  /** Reads by how they ended: `ok` or an error code. */
  readonly readOutcomes: Readonly<Record<string, number>>;
  /** Messages and frames of peers that were refused, by error code. */
  readonly rejectedMessages: Readonly<Record<string, number>>;
  readonly gauges: Readonly<Record<GaugeName, number>>;
  readonly histograms: Readonly<Record<HistogramName, HistogramSnapshot>>;
}

export type CounterName =
  | 'ticks'
  | 'lateTicks'
  | 'proposals'
  | 'proposalsForwarded'
  | 'proposalsFromPeers'
  | 'reads'
  | 'readRounds'
  | 'elections'
  | 'leaderChanges'
  | 'entriesPersisted'
  | 'entriesApplied'
  | 'storageWrites'
  | 'confChanges'
  | 'compactions'
  | 'snapshotsCreated'
  | 'snapshotsSent'
  | 'snapshotsReceived'
  | 'snapshotsInstalled'
  | 'snapshotsFailed';

export type GaugeName =
  | 'term'
  | 'isLeader'
  | 'hasLeader'
  | 'commitIndex'
  | 'appliedIndex'
  | 'firstIndex'
  | 'lastIndex'
  | 'pendingProposals'
  | 'pendingProposalBytes'
  | 'pendingReads'
  | 'logBytes'
  | 'snapshotBytes'
  | 'connectedPeers';

export type HistogramName =
  'storageWriteMs' | 'applyMs' | 'proposeMs' | 'readMs' | 'tickDelayMs' | 'writeBatchEntries';

const msBounds: readonly number[] = [
  0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 10_000,
];
const countBounds: readonly number[] = [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];

class Histogram {
  readonly #bounds: readonly number[];
  readonly #counts: number[];
  #sum = 0;
  #count = 0;

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = new Array<number>(bounds.length + 1).fill(0);
  }

  observe(value: number): void {
    let i = 0;
    while (i < this.#bounds.length && value > (this.#bounds[i] ?? Infinity)) i++;
    this.#counts[i] = (this.#counts[i] ?? 0) + 1;
    this.#sum += value;
    this.#count++;
  }

  toJSON(): HistogramSnapshot {
    return { bounds: this.#bounds, counts: [...this.#counts], sum: this.#sum, count: this.#count };
  }
}

/** Where the parts of a node count. */
export class MetricsRecorder {
  readonly #counters: Record<CounterName, number> = {
    ticks: 0,
    lateTicks: 0,
    proposals: 0,
    proposalsForwarded: 0,
    proposalsFromPeers: 0,
    reads: 0,
    readRounds: 0,
    elections: 0,
    leaderChanges: 0,
    entriesPersisted: 0,
    entriesApplied: 0,
    storageWrites: 0,
    confChanges: 0,
    compactions: 0,
    snapshotsCreated: 0,
    snapshotsSent: 0,
    snapshotsReceived: 0,
    snapshotsInstalled: 0,
    snapshotsFailed: 0,
  };
  readonly #proposalOutcomes: Record<string, number> = {};
  readonly #readOutcomes: Record<string, number> = {};
  readonly #rejected: Record<string, number> = {};
  readonly #histograms: Record<HistogramName, Histogram> = {
    storageWriteMs: new Histogram(msBounds),
    applyMs: new Histogram(msBounds),
    proposeMs: new Histogram(msBounds),
    readMs: new Histogram(msBounds),
    tickDelayMs: new Histogram(msBounds),
    writeBatchEntries: new Histogram(countBounds),
  };

  add(name: CounterName, by = 1): void {
    this.#counters[name] += by;
  }

  observe(name: HistogramName, value: number): void {
    this.#histograms[name].observe(value);
  }

  proposalOutcome(code: string): void {
    this.#proposalOutcomes[code] = (this.#proposalOutcomes[code] ?? 0) + 1;
  }

  readOutcome(code: string): void {
    this.#readOutcomes[code] = (this.#readOutcomes[code] ?? 0) + 1;
  }

  rejected(code: string): void {
    this.#rejected[code] = (this.#rejected[code] ?? 0) + 1;
  }

  snapshot(gauges: Record<GaugeName, number>): NodeMetrics {
    const h = this.#histograms;
    return {
      counters: { ...this.#counters },
      proposalOutcomes: { ...this.#proposalOutcomes },
      readOutcomes: { ...this.#readOutcomes },
      rejectedMessages: { ...this.#rejected },
      gauges,
      histograms: {
        storageWriteMs: h.storageWriteMs.toJSON(),
        applyMs: h.applyMs.toJSON(),
        proposeMs: h.proposeMs.toJSON(),
        readMs: h.readMs.toJSON(),
        tickDelayMs: h.tickDelayMs.toJSON(),
        writeBatchEntries: h.writeBatchEntries.toJSON(),
      },
    };
  }
}
