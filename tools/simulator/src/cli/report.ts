/** Totals in words, for people and for docs/simulation.md. */
import { fullRun, isJudged, leastSeeds, shortfalls } from './bars.ts';
import type { Totals } from './totals.ts';

const number = (value: number): string => Math.round(value).toLocaleString('en-US');

function perSecond({ events, cpuMs }: Totals): number {
  return cpuMs === 0 ? 0 : events / (cpuMs / 1000);
}

function codes({ slices }: Totals): string {
  const seedsOf = new Map<string, number>();
  for (const { code, seeds } of slices) seedsOf.set(code, (seedsOf.get(code) ?? 0) + seeds);
  const [only] = seedsOf.keys();
  if (seedsOf.size <= 1) return `all of code ${only ?? 'unknown'}`;
  return [...seedsOf].map(([code, seeds]) => `${number(seeds)} of code ${code}`).join(', ');
}

function ranges({ slices }: Totals): string {
  const joined: [number, number][] = [];
  for (const { from, seeds } of slices) {
    const last = joined.at(-1);
    if (last !== undefined && last[1] + 1 === from) last[1] = from + seeds - 1;
    else if (seeds > 0) joined.push([from, from + seeds - 1]);
  }
  return joined.map(([from, to]) => `${from} to ${to}`).join(', ');
}

/** The run in a few sentences. */
export function summaryLines(totals: Totals): string[] {
  const { profile, seeds, events, fewestEvents, virtualMs, operations, violations } = totals;
  return [
    `profile ${profile}, seeds ${ranges(totals)}: ${number(seeds)} seeds, ${codes(totals)}`,
    `${number(events)} events, at least ${number(seeds === 0 ? 0 : fewestEvents)} a seed, ${number(virtualMs / 3_600_000)} virtual hours, ${number(operations)} operations of clients`,
    `${number(perSecond(totals))} events a second of processor time`,
    `${violations.length} violations`,
  ];
}

/** How often each thing happened, and in how many seeds. */
export function coverageLines({ coverage, seedsWith }: Totals): string[] {
  return Object.entries(coverage)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, count]) => {
      const seeds = seedsWith[name] ?? 0;
      return `  ${name.padEnd(48)} ${number(count).padStart(14)} in ${number(seeds).padStart(6)} seeds`;
    });
}

/** What is missing. Empty when nothing is, or when the run is too small to tell. */
export function defectLines(totals: Totals): string[] {
  if (!isJudged(totals)) return [];
  return shortfalls(totals).map((text) => `DEFECT ${text}`);
}

/** Says against what a run was held. */
export function verdictLine(totals: Totals): string {
  if (!isJudged(totals)) {
    return `too small to judge coverage by: that takes ${leastSeeds} seeds of ${number(fullRun.events)} events each`;
  }
  const scaled = (fullRun.each * totals.seeds) / fullRun.seeds;
  const bar = `each thing at least ${scaled.toFixed(0)} times (${number(fullRun.each)} in ${number(fullRun.seeds)} seeds)`;
  return defectLines(totals).length === 0 ? `coverage holds: ${bar}` : `coverage does not hold: ${bar}`;
}

/** The same as a part of a page. */
export function pageOf(totals: Totals): string {
  const rows = Object.entries(totals.coverage)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, count]) => `| ${name} | ${number(count)} | ${number(totals.seedsWith[name] ?? 0)} |`);
  return [
    ...summaryLines(totals).map((line) => `- ${line}`),
    `- ${verdictLine(totals)}`,
    ...defectLines(totals).map((line) => `- ${line}`),
    '',
    '<!-- prettier-ignore -->',
    '| what | times | in so many seeds |',
    '| --- | ---: | ---: |',
    ...rows,
    '',
  ].join('\n');
}
