/** `balsa bench`: its options, its help, its exit codes. What it needs to run is loaded when it runs. */
import { tmpdir } from 'node:os';
import { Command, InvalidArgumentError, Option, type CommanderError } from 'commander';
import type { BenchFlags, CompareFlags } from './bench.ts';

const help = `
A store is a name or the path of a module, with options behind a colon: sqlite:worker=true,synchronous=EXTRA.
A module exports openEngine({ directory, env }), which resolves with an Engine of @balsa/raft-core. Without a
choice: memory, sqlite, redis and rocksdb, those that can work on another thread with and without it.

Every figure stands beside the floor of the same minute: a write and a sync of the same bytes, on a growing
file and on one that was written before. A store that acknowledges before it syncs gets no number.

Examples:
  balsa bench --quick                              all adapters, in under four minutes
  balsa bench sqlite --workload append,reopen      one adapter, two workloads
  balsa bench sqlite:durability=relaxed sqlite     what the syncs cost
  balsa bench ./my-store.js --directory /mnt/ssd   a store of your own, on another disk
  balsa bench --quick --json out.json --html out.html
  balsa bench --workload cluster --etcd etcd       clusters, and three etcd processes beside them
  balsa bench compare before.json after.json       what changed beyond noise

Exit codes: 0 when all that was asked for was measured, 1 when a store was refused a number, 2 for a wrong
choice, 130 after Ctrl-C (what was measured until then is still reported).`;

function positive(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new InvalidArgumentError('It must be a whole number >= 1.');
  return value;
}

const list = (text: string): readonly string[] => text.split(',').filter((part) => part !== '');
const positives = (text: string): readonly number[] => list(text).map(positive);

/** Help ends well; an option that cannot be is a wrong choice, as the help says. */
function endWith({ exitCode }: CommanderError): never {
  process.exit(exitCode === 0 ? 0 : 2);
}

function compareCommand(): Command {
  return new Command('compare')
    .exitOverride(endWith)
    .description('say what changed beyond noise between two reports')
    .argument('<before>', 'a file that --json wrote')
    .argument('<after>', 'another')
    .option('--all', 'show what did not change, too')
    .option('--json <file>', 'write the comparison as JSON')
    .addHelpText(
      'after',
      '\nExit codes: 0 when no store got worse, 1 when one did, 2 for files that are no reports.',
    )
    .action(async (before: string, after: string, flags: CompareFlags) => {
      const { compare } = await import('./bench.ts');
      process.exitCode = await compare(before, after, flags);
    });
}

export function benchCommand(signal: AbortSignal): Command {
  return new Command('bench')
    .exitOverride(endWith)
    .enablePositionalOptions()
    .description('measure stores against the raw disk of the same minute, and clusters of them')
    .argument('[store...]', 'memory, sqlite, redis, rocksdb, file or a module (default: all but file)')
    .addOption(
      new Option('--workload <list>', 'of these only, separated by commas; see --list').argParser(list),
    )
    .addOption(new Option('--quick', 'small, in under four minutes').conflicts('full'))
    .option('--full', 'large: every batch by every payload, snapshots of 1 GiB; takes an hour')
    .addOption(new Option('--batch <list>', 'of appends, instead of those of the plan').argParser(positives))
    .addOption(new Option('--payload <list>', 'bytes of an entry, likewise').argParser(positives))
    .addOption(new Option('--groups <list>', 'groups that write at once, likewise').argParser(positives))
    .option('--rounds <n>', 'how often each is measured, in turn with the others', positive)
    .option('--slice <ms>', 'how long each time, in milliseconds', positive)
    .option('--etcd <path>', "etcd's server (3.4 or later), as a rival beside the clusters")
    .option('--compressible', 'payloads like JSON, instead of random bytes')
    .option('--directory <dir>', 'on the disk under test; a directory in it is made and removed', tmpdir())
    .option(
      '--json [file]',
      'write the report as JSON (tools/bench/schema/bench-report.schema.json); with --list the list, to stdout without a file',
    )
    .option('--html <file>', 'write the report as one page with plots')
    .option('--list', 'list workloads and stores instead of measuring')
    .addHelpText('after', help)
    .action(async (stores: readonly string[], flags: BenchFlags) => {
      const { bench } = await import('./bench.ts');
      process.exitCode = await bench(stores, flags, signal);
    })
    .addCommand(compareCommand());
}
