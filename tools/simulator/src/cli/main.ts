/** `npm run simulate`. */
import { createWriteStream, writeFileSync } from 'node:fs';
import { formatHistory } from '@balsa/checker';
import { traceLine } from '@balsa/raft-core/testing';
import { shrink } from '../shrink.ts';
import { simulate, type SeedResult, type SimulateOptions } from '../simulate.ts';
import { reportOf } from './messages.ts';
import { parseOptions, type CliOptions } from './options.ts';
import { runSeeds } from './pool.ts';
import { addReport, coverageLines, newTotals, type Totals } from './totals.ts';

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
  const totals = newTotals();
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
    },
  });
  say(progress(totals, (performance.now() - started) / 1000, options));
  return totals;
}

function progress(totals: Totals, seconds: number, { minutes, seeds }: CliOptions): string {
  const of = minutes === undefined ? ` of ${seeds}` : '';
  const rate = Math.round(totals.events / seconds);
  return `${totals.seeds}${of} seeds, ${totals.events} events, ${rate} a second, ${(totals.virtualMs / 60_000).toFixed(1)} virtual minutes, ${totals.violations.length} violations`;
}

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2));
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
      process.stdout.write(`${JSON.stringify({ ...reportOf(result), trace: result.trace })}\n`);
    else describe(result, options.lines);
    return result.violation === undefined ? 0 : 1;
  }
  const totals = await runMany(options);
  const [first] = totals.violations;
  if (options.json) process.stdout.write(`${JSON.stringify(totals)}\n`);
  else {
    say('what happened:');
    for (const line of coverageLines(totals)) say(line);
  }
  if (first === undefined) return stopped ? 130 : 0;
  await explain(first.plan.seed, options);
  return 1;
}

process.exitCode = await main();
