#!/usr/bin/env node
/** Long trials of whole clusters on real processes, disks and sockets. `npm run soak -- --help` lists them. */
import { Command, InvalidArgumentError } from 'commander';
import { listenForStop } from '@balsa/cluster';
import { crash } from './crash.ts';
import { memory } from './memory.ts';
import { offline } from './offline.ts';
import { syncs } from './syncs.ts';
import { runTrial, type Trial } from './trial.ts';

function positive(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new InvalidArgumentError('It must be a whole number >= 1.');
  return value;
}

const stop = listenForStop();

function act<O>(trial: Trial<O>): (options: O & { json?: boolean }) => Promise<void> {
  return async (options) => {
    process.exitCode = await runTrial(trial, options, { json: options.json === true, signal: stop.signal });
    if (stop.signal.aborted) process.exitCode = stop.exitCode();
  };
}

const program = new Command('npm run soak --').description(
  'Long trials of a three-node cluster on SQLite. Each ends with one line of results; exit 1 when a promise was broken.',
);
const json = ['--json', 'print only the line of results, as JSON, on stdout'] as const;

program
  .command('crash')
  .description(
    'kill -9 of a random node at random moments under load; every acknowledged write must be there after each',
  )
  .option('--rounds <n>', 'kills', positive, 200)
  .option('--seed <n>', 'for the moments and the victims', positive, 1)
  .option(...json)
  .action(act(crash));
program
  .command('offline')
  .description(
    'a follower is away while entries are written and compacted, and catches up by snapshot under load',
  )
  .option('--entries <n>', 'writes while it is away', positive, 50_000)
  .option('--value-bytes <n>', 'size of each value', positive, 256)
  .option(...json)
  .action(act(offline));
program
  .command('memory')
  .description('memory of each node while many entries are written')
  .option('--entries <n>', 'writes', positive, 500_000)
  .option('--keys <n>', 'distinct keys', positive, 500_000)
  .option('--value-bytes <n>', 'size of each value', positive, 256)
  .option('--limit-mib <n>', 'largest resident set of a node that is accepted', positive, 300)
  .option(...json)
  .action(act(memory));
program
  .command('syncs')
  .description('syncs of each node for single writes and for concurrent ones, counted by strace')
  .option('--writes <n>', 'single writes, one after another', positive, 200)
  .option('--concurrent <n>', 'writes at once', positive, 64)
  .option(...json)
  .action(act(syncs));

await program.parseAsync();
