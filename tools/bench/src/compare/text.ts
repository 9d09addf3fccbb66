/** A comparison for people. */
import { short } from '../report/format.ts';
import { plainTable, wrap } from '../report/table.ts';
import { leastChange, level, type Change, type Comparison } from './compare.ts';

const method = `Each figure's rounds before and after by the two-sided Mann-Whitney U test, p adjusted by Benjamini and Hochberg over all figures; changed means p < ${level} and more than ${leastChange * 100} %. In brackets the 95 % interval of the ratio of medians (bootstrap). Figures with a floor are compared as ratios to the floor of their own minute. Floors and bare clients tell of the machine, not of a store. Rounds of one run share a machine and a moment: what matters should be seen in two pairs of runs.`;

function line({ row, metric, before, after, ratio, interval, p, verdict }: Change): string[] {
  const range = `${ratio.toFixed(2)} [${interval.low.toFixed(2)}, ${interval.high.toFixed(2)}]`;
  return [row, metric, short(before), short(after), range, p < 0.001 ? '<0.001' : p.toFixed(3), verdict];
}

/** All figures with `all`, else those that changed. */
export function comparisonText({ changes, missing, warnings }: Comparison, all: boolean): string {
  const shown = changes.filter(({ verdict }) => all || verdict === 'better' || verdict === 'worse');
  const parts: string[] = warnings.map((text) => wrap(`WARNING: ${text}`));
  const cells = new Map<string, Change[]>();
  for (const change of shown) {
    const name = `${change.workload}: ${change.cell}`;
    cells.set(name, [...(cells.get(name) ?? []), change]);
  }
  const head = ['', '', 'before', 'after', 'after/before', 'p', ''];
  for (const [name, some] of cells) parts.push(`${name}\n${plainTable([head, ...some.map(line)], 2)}`);
  const count = (verdict: string): number => changes.filter((one) => one.verdict === verdict).length;
  const few = count('too few rounds');
  parts.push(
    `${changes.length} figures: ${count('better')} better, ${count('worse')} worse, ${count('same')} the same` +
      (few === 0 ? '' : `, ${few} with too few rounds to tell`),
  );
  if (missing.length > 0) parts.push(missing.map((text) => wrap(text)).join('\n'));
  parts.push(wrap(method));
  return `${parts.join('\n\n')}\n`;
}
