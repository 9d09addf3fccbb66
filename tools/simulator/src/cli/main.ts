/** `npm run simulate`. */
import { createWriteStream, readFileSync, writeFileSync } from 'node:fs';
import { formatHistory } from '@balsa/checker';
import { traceLine } from '@balsa/raft-core/testing';
import { shrink } from '../shrink.ts';
import { simulate, type SeedResult, type SimulateOptions } from '../simulate.ts';
import { codeDigest } from './code.ts';
import { reportOf } from './messages.ts';
import { parseArguments, type CliOptions, type MergeOptions } from './options.ts';
import { intoPage } from './page.ts';
import { runSeeds } from './pool.ts';
import { coverageLines, defectLines, summaryLines, verdictLine } from './report.ts';
import { addReport, mergeTotals, newTotals, type Totals } from './totals.ts';

let stopped = false;

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

function planOptions(options: CliOptions): SimulateOptions {
  const { profile, events, nodes, clients, without } = options;
  return {
    profile,
    ...(events !== undefined && { events }),
    ...(nodes !== undefined && { nodes }),
    ...(clients !== undefined && { clients }),
    ...(without !== undefined && { without }),
  };
}

/** The command that runs a seed again, exactly. */
function replay(seed: number, { profile, events, nodes, clients, without }: SimulateOptions): string {
  const parts = [`npm run simulate -- --seed ${seed} --profile ${profile}`];
  if (events !== undefined) parts.push(`--events ${events}`);
  if (nodes !== undefined) parts.push(`--nodes ${nodes}`);
  if (clients !== undefined) parts.push(`--clients ${clients}`);
  if (without !== undefined && without.length > 0) parts.push(`--without ${without.join(',')}`);
  return parts.join(' ');
}

async function runOne(seed: number, options: CliOptions): Promise<SeedResult> {
  const plan = planOptions(options);
  const file = options.trace === undefined ? undefined : createWriteStream(options.trace);
  const result = await simulate(seed, {
    ...plan,
    ...(file !== undefined && { tracer: (event) => file.write(`${traceLine(event)}\n`) }),
  });
  if (file !== undefined) await new Promise((resolve) => file.end(() => resolve(undefined)));
  if (options.history !== undefined)
    writeFileSync(options.history, [...formatHistory(result.operations)].join(''));
  return result;
}

function describe(result: SeedResult, lines: number): void {
  const { plan, violation } = result;
  say(`plan: ${JSON.stringify(plan)}`);
  for (const line of result.trace.slice(-lines)) say(line);
  say(
    `digest ${result.digest}, ${result.events} events, ${(result.virtualMs / 1000).toFixed(3)} virtual seconds`,
  );
  if (violation === undefined) return;
  say('');
  say(`${violation.rule}: ${violation.message}`);
  for (const line of violation.details) say(`  ${line}`);
}

async function explain(seed: number, options: CliOptions): Promise<void> {
  const start = planOptions(options);
  const result = await simulate(seed, start);
  say('');
  say(`seed ${seed} breaks a rule:`);
  describe(result, options.lines);
  say(`run it again:  ${replay(seed, start)}`);
  if (!options.shrink || result.violation === undefined) return;
  say('looking for a smaller run that breaks the same rule ...');
  const smaller = await shrink(result, start, { maxRuns: 40, goOn: () => !stopped });
  const { plan } = smaller.result;
  say(
    `after ${smaller.runs} runs: ${plan.nodes} nodes, ${plan.clients} clients, ${smaller.result.events} events, faults: ${plan.faults.join(', ') || 'none'}`,
  );
  say(`run it again:  ${replay(seed, smaller.options)}`);
}

async function runMany(options: CliOptions): Promise<Totals> {
  const totals = newTotals(options.profile, [{ from: options.from, seeds: 0, code: codeDigest() }]);
  const started = performance.now();
  const deadline = options.minutes === undefined ? Infinity : started + options.minutes * 60_000;
  const last = options.minutes === undefined ? options.from + options.seeds : Infinity;
  let seed = options.from;
  let told = started;
  const next = (): number | undefined => {
    const halt = stopped || (totals.violations.length > 0 && !options.keepGoing);
    return halt || seed >= last || performance.now() >= deadline ? undefined : seed++;
  };
  await runSeeds({
    jobs: options.jobs,
    options: planOptions(options),
    next,
    onResult: (report) => {
      addReport(totals, report);
      if (report.violation !== undefined)
        say(`seed ${report.plan.seed}: ${report.violation.rule}: ${report.violation.message}`);
      if (performance.now() - told < 5000) return;
      told = performance.now();
      say(progress(totals, (told - started) / 1000, options));
      // What ran is not lost when the rest is stopped.
      if (options.out !== undefined) save(options.out, totals);
    },
  });
  say(progress(totals, (performance.now() - started) / 1000, options));
  if (options.out !== undefined) save(options.out, totals);
  return totals;
}

function progress(totals: Totals, seconds: number, { minutes, seeds }: CliOptions): string {
  const of = minutes === undefined ? ` of ${seeds}` : '';
  const rate = Math.round(totals.events / seconds);
  return `${totals.seeds}${of} seeds, ${totals.events} events, ${rate} a second, ${(totals.virtualMs / 60_000).toFixed(1)} virtual minutes, ${totals.violations.length} violations`;
}

function save(file: string, totals: Totals): void {
  writeFileSync(file, `${JSON.stringify(totals)}\n`);
}

function tell(totals: Totals): void {
  say('what happened:');
  for (const line of [...coverageLines(totals), ...summaryLines(totals), ...defectLines(totals)]) say(line);
  say(verdictLine(totals));
}

/** 0: all is well. 1: a rule was broken. 2: none was, but the run was large enough and did not see all that it must. */
function exitCode(totals: Totals): number {
  if (totals.violations.length > 0) return 1;
  return defectLines(totals).length > 0 ? 2 : 0;
}

/** Adds up what several runs wrote with `--out`. */
function merge({ files, out, page, json }: MergeOptions): number {
  const totals = mergeTotals(files.map((file) => JSON.parse(readFileSync(file, 'utf8')) as Totals));
  if (out !== undefined) save(out, totals);
  if (page !== undefined) writeFileSync(page, intoPage(readFileSync(page, 'utf8'), totals));
  if (json) process.stdout.write(`${JSON.stringify(totals)}\n`);
  else tell(totals);
  return exitCode(totals);
}

async function main(): Promise<number> {
  const { options, merging } = parseArguments(process.argv.slice(2));
  if (merging !== undefined) return merge(merging);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (stopped) process.exit(130);
      stopped = true;
      say('stopping after the seeds under way; once more to stop at once');
    });
  }
  if (options.seed !== undefined) {
    const result = await runOne(options.seed, options);
    if (options.json)
      process.stdout.write(
        `${JSON.stringify({ ...reportOf(result, process.cpuUsage().user / 1000), trace: result.trace })}\n`,
      );
    else describe(result, options.lines);
    return result.violation === undefined ? 0 : 1;
  }
  const totals = await runMany(options);
  const [first] = totals.violations;
  if (options.json) process.stdout.write(`${JSON.stringify(totals)}\n`);
  else tell(totals);
  if (first === undefined) return stopped ? 130 : exitCode(totals);
  await explain(first.plan.seed, options);
  return 1;
}

process.exitCode = await main();
