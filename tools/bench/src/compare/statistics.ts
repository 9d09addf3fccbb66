/**
 * Whether two handfuls of rounds differ by more than noise.
 *
 * The test is that of Mann and Whitney, two-sided, exact when no two values are alike and few enough; its null
 * distribution is counted, not sampled. Many figures are compared at once, so what counts is adjusted by the
 * rule of Benjamini and Hochberg: of what is called changed, at most this share is expected to be chance.
 */
import { Random } from '@balsa/cluster';
import { errorFunction, median, quantile, sampleWithReplacement, wilcoxonRankSum } from 'simple-statistics';

/** Beyond this product of the sizes the normal approximation is used. */
const mostExact = 2500;

/** Two-sided p of the Mann-Whitney U test. 1 when there is nothing to compare. */
export function mannWhitney(before: readonly number[], after: readonly number[]): number {
  const [m, n] = [before.length, after.length];
  if (m === 0 || n === 0) return 1;
  const u = wilcoxonRankSum([...before], [...after]) - (m * (m + 1)) / 2;
  const values = [...before, ...after];
  const tied = new Set(values).size < values.length;
  if (tied || m * n > mostExact) return approximate(u, m, n, values);
  const counts = countsOfU(m, n);
  const total = counts.reduce((sum, count) => sum + count, 0);
  const tail = Math.min(u, m * n - u);
  let below = 0;
  for (let value = 0; value <= tail; value++) below += counts[value] ?? 0;
  return Math.min(1, (2 * below) / total);
}

/** In how many orders of m and n values U has each value from 0 to m n. */
function countsOfU(m: number, n: number): number[] {
  // The coefficients of the Gaussian binomial: multiplied by (1 - q^(n+i)), divided by (1 - q^i).
  let counts = [1];
  const size = m * n + 1;
  for (let i = 1; i <= m; i++) {
    const raised = Array.from({ length: size }, (_, k) => (counts[k] ?? 0) - (counts[k - n - i] ?? 0));
    for (let k = i; k < size; k++) raised[k] = (raised[k] ?? 0) + (raised[k - i] ?? 0);
    counts = raised;
  }
  return counts;
}

/** With the correction for ties and for continuity. */
function approximate(u: number, m: number, n: number, values: readonly number[]): number {
  const count = m + n;
  const groups = new Map<number, number>();
  for (const value of values) groups.set(value, (groups.get(value) ?? 0) + 1);
  const ties = [...groups.values()].reduce((sum, size) => sum + size ** 3 - size, 0);
  const variance = ((m * n) / 12) * (count + 1 - ties / (count * (count - 1)));
  if (variance <= 0) return 1;
  const z = (Math.abs(u - (m * n) / 2) - 0.5) / Math.sqrt(variance);
  return z <= 0 ? 1 : Math.min(1, 1 - errorFunction(z / Math.SQRT2));
}

/** The adjusted p of each, in the order given. */
export function adjust(ps: readonly number[]): number[] {
  const order = ps.map((p, i) => ({ p, i })).sort((a, b) => b.p - a.p);
  const adjusted = ps.map(() => 1);
  let lowest = 1;
  for (const [k, { p, i }] of order.entries()) {
    lowest = Math.min(lowest, (p * ps.length) / (ps.length - k));
    adjusted[i] = lowest;
  }
  return adjusted;
}

export interface Interval {
  readonly low: number;
  readonly high: number;
}

const resamples = 2000;

/** 95 % interval of after's median to before's, by a percentile bootstrap with a fixed seed. */
export function ratioInterval(before: readonly number[], after: readonly number[]): Interval {
  // The same numbers every time, so that the same two files give the same answer.
  const generator = new Random(42);
  const random = (): number => generator.next();
  const draw = (values: readonly number[]): number =>
    median(sampleWithReplacement([...values], values.length, random));
  const ratios = Array.from({ length: resamples }, () => draw(after) / draw(before)).sort((a, b) => a - b);
  return { low: quantile(ratios, 0.025), high: quantile(ratios, 0.975) };
}
