/** Latencies in an HDR histogram: three digits, from 0.1 us to ten minutes. */
import { build } from 'hdr-histogram-js';

type Histogram = ReturnType<typeof build>;

/** Steps of the histogram in one millisecond. */
const steps = 10_000;
const longest = 10 * 60 * 1000 * steps;

export class Latencies {
  readonly #histogram: Histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: longest,
    numberOfSignificantValueDigits: 3,
    bitBucketSize: 32,
    autoResize: true,
  });

  /** Milliseconds. */
  record(ms: number): void {
    this.#histogram.recordValue(Math.min(longest, Math.max(1, Math.round(ms * steps))));
  }

  add(other: Latencies): void {
    this.#histogram.add(other.#histogram);
  }

  get count(): number {
    return this.#histogram.totalCount;
  }

  /** Milliseconds; NaN when nothing was recorded. */
  percentile(percent: number): number {
    return this.count === 0 ? Number.NaN : this.#histogram.getValueAtPercentile(percent) / steps;
  }

  get max(): number {
    return this.count === 0 ? Number.NaN : this.#histogram.maxValue / steps;
  }
}
