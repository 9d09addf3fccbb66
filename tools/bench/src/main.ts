#!/usr/bin/env node
/** Benchmarks. `npm run bench:core -- --help` lists what can be chosen. */
import { cpus, loadavg } from 'node:os';
import { Command, InvalidArgumentError } from 'commander';
import { runCoreBench, type CoreBenchOptions } from './core/bench.ts';
import { writePage, type CoreReport } from './core/page.ts';
import { markdownTable, terminalTable } from './core/table.ts';

function positive(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new InvalidArgumentError('It must be a whole number >= 1.');
  return value;
}

const positives = (text: string): number[] => text.split(',').map(positive);

interface CoreFlags extends Omit<CoreBenchOptions, 'rival'> {
  readonly rival?: string;
  readonly json?: boolean;
  readonly markdown?: boolean;
  readonly page?: string;
}

const program = new Command('bench').description('Benchmarks of Balsa.');
program
  .command('core')
  .description('the core alone: members in one thread that hand each other their messages')
  .option('--rounds <n>', 'rounds of each cell; the medians are shown', positive, 5)
  .option('--entries <n>', 'entries of each cell in each round', positive, 400_000)
  .option('--payload <bytes>', 'size of each payload', positive, 128)
  .option('--nodes <list>', 'cluster sizes', positives, [1, 3, 5])
  .option(
    '--batches <list>',
    'proposals a drain, or entries of the one proposal',
    positives,
    [1, 16, 64, 256],
  )
  .option('--batch-append', "turn raft-rs's batching of appends on, which etcd's core does not have", false)
  .option('--rival <path>', 'a program that prints the same cells; it runs between our rounds')
  .option('--json', 'print everything as JSON')
  .option('--markdown', 'print the table as Markdown')
  .option('--page <directory>', 'write benchmarks-core.md and data/core-benchmark.json there, as in docs/')
  .action(async ({ json, markdown, page, rival, ...flags }: CoreFlags) => {
    const options = { ...flags, rival };
    const machine = {
      cpu: cpus()[0]?.model ?? 'unknown',
      cores: cpus().length,
      platform: `${process.platform} ${process.arch}`,
      node: process.version,
      v8: process.versions.v8,
      loadBefore: loadavg(),
    };
    const results = await runCoreBench(options, (line) => process.stderr.write(`${line}\n`));
    const report: CoreReport = {
      benchmark: 'core',
      machine: { ...machine, loadAfter: loadavg() },
      options: flags,
      results,
    };
    if (page !== undefined) writePage(page, report);
    const table = markdown === true ? markdownTable : terminalTable;
    process.stdout.write(`${json === true ? JSON.stringify(report, undefined, 1) : table(results)}\n`);
  });

await program.parseAsync();
