#!/usr/bin/env node
/** `npm run chaos`: a real cluster, real disks and sockets, and everything that can be done to them. */
import { listenForStop } from '@balsa/cluster';
import { EngineChoiceError } from '@balsa/engines';
import { Command, InvalidArgumentError } from 'commander';
import { printReport } from './report.ts';
import { runChaos } from './run.ts';

interface Arguments {
  readonly storage: string;
  readonly minutes: number;
  readonly seed: number;
  readonly clients: number;
  readonly limitMib: number;
  readonly disks: boolean;
  readonly json?: boolean;
  readonly keep?: boolean;
}

const mixed = 'sqlite,redis,rocksdb';

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0) || !Number.isFinite(value)) throw new InvalidArgumentError('It must be a number above 0.');
  return value;
}

function whole(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError('It must be a whole number.');
  return value;
}

const help = `
What is done: kill -9 and SIGSTOP of nodes and of the Redis servers below them, a proxy between the nodes that cuts,
drops and delays, full disks, wiped nodes replaced by new ones, handovers; one or two at a time, from the seed.
What must hold: every history is linearizable, every acknowledged append is there once and none that was refused, the
nodes are equal in the end, the cluster takes writes again after each fault, memory stays bounded, no process is left.
The seed fixes the choices, not the timing of a real machine.
Exit codes: 0 when all of it held, 1 when something did not, 2 when the storage cannot be used, 130 after Ctrl-C.`;

const stop = listenForStop();
// Whoever started this has died: nobody is left to stop it.
if (process.send !== undefined) process.once('disconnect', () => stop.request());

async function main(given: Arguments): Promise<number> {
  const began = performance.now();
  const say = (text: string): void => {
    process.stderr.write(`${((performance.now() - began) / 1000).toFixed(1).padStart(7)} s  ${text}\n`);
  };
  const storage = given.storage === 'mixed' ? mixed : given.storage;
  const report = await runChaos({ ...given, storage, keep: given.keep === true, signal: stop.signal, say });
  if (stop.signal.aborted) return stop.exitCode() || 1;
  process.stdout.write(given.json === true ? `${JSON.stringify(report)}\n` : printReport(report));
  return report.ok ? 0 : 1;
}

const program = new Command('npm run chaos --')
  .description('Breaks a cluster of real processes, disks and sockets in every way that Raft has to survive.')
  .option(
    '--storage <engines>',
    `sqlite, redis, rocksdb, file, mixed (${mixed}), or one for each of three nodes`,
    'sqlite',
  )
  .option('--minutes <m>', 'how long faults go on', positive, 3)
  .option('--seed <n>', 'of all choices', whole, 1)
  .option('--clients <n>', 'at once, each with one command under way', whole, 8)
  .option('--limit-mib <n>', 'largest resident set of a node or a server that is accepted', positive, 600)
  .option('--no-disks', 'fill no disks, also where the machine allows it')
  .option('--json', 'print the report as one line of JSON on stdout')
  .option('--keep', 'keep data and logs')
  .addHelpText('after', help)
  .action(async (given: Arguments) => {
    try {
      process.exitCode = await main(given);
    } catch (error) {
      if (!(error instanceof EngineChoiceError)) throw error;
      process.stderr.write(`chaos: ${error.message}\n`);
      process.exitCode = 2;
    }
    process.exit();
  });

await program.parseAsync();
