/** The command line of `npm run simulate`. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { availableParallelism } from 'node:os';
import { faultNames, profileNames, type FaultName, type ProfileName } from '../plan.ts';

export interface CliOptions {
  readonly seed?: number;
  readonly seeds: number;
  readonly from: number;
  readonly minutes?: number;
  readonly profile: ProfileName;
  readonly jobs: number;
  readonly events?: number;
  readonly nodes?: number;
  readonly clients?: number;
  readonly without?: readonly FaultName[];
  readonly trace?: string;
  readonly history?: string;
  readonly lines: number;
  readonly shrink: boolean;
  readonly keepGoing: boolean;
  readonly json: boolean;
  readonly out?: string;
}

export interface MergeOptions {
  readonly files: readonly string[];
  readonly out?: string;
  readonly page?: string;
  readonly json: boolean;
}

export interface Arguments {
  readonly options: CliOptions;
  /** What is to be added up, instead of running anything. */
  readonly merging: MergeOptions | undefined;
}

function count(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new InvalidArgumentError('give a whole number from 1 up.');
  return value;
}

function faults(text: string): FaultName[] {
  return text.split(',').map((name) => {
    const known = faultNames.find((one) => one === name);
    if (known === undefined) throw new InvalidArgumentError(`the faults are: ${faultNames.join(', ')}.`);
    return known;
  });
}

export function parseArguments(argv: readonly string[]): Arguments {
  let merging: MergeOptions | undefined;
  const command = new Command('npm run simulate --')
    .action(() => undefined)
    .description(
      'Runs whole clusters under virtual time, network and disk, each from one seed, and holds every step to the\n' +
        'invariants of Raft. Ends with 1 when one was broken, and says how to run that seed again.',
    )
    .option('--seed <number>', 'run this seed alone, and show its last events', count)
    .option('--seeds <count>', 'how many seeds', count, 20)
    .option('--from <number>', 'the first of them', count, 1)
    .option('--minutes <count>', 'run seeds for so long instead', count)
    .addOption(new Option('--profile <name>', 'what goes wrong').choices(profileNames).default('swarm'))
    .option('--jobs <count>', 'processes', count, Math.max(1, availableParallelism() - 1))
    .option('--events <count>', 'events of the phase of faults of each seed (default: 20000)', count)
    .option('--nodes <count>', 'voters at first (default: by seed)', count)
    .option('--clients <count>', 'clients (default: by seed)', count)
    .option('--without <faults>', 'leave these out, separated by commas', faults)
    .option('--trace <file>', 'with --seed: write what every core did, as NDJSON for a trace checker')
    .option(
      '--history <file>',
      'with --seed: write what clients saw, as NDJSON for a linearizability checker',
    )
    .option('--lines <count>', 'events shown of a seed', count, 60)
    .option('--no-shrink', 'do not look for a smaller run that fails, too')
    .option('--keep-going', 'go on after a violation', false)
    .option('--json', 'one object on stdout, and nothing else', false)
    .option('--out <file>', 'write the totals to this file, also while the run goes on: for `merge`');
  command
    .command('merge')
    .description('Adds up the files that runs of other seeds wrote with --out.')
    .argument('<files...>')
    .option('--out <file>', 'write the sum to this file')
    .option('--page <file>', 'put the sum between its marks in this page')
    .option('--json', 'one object on stdout, and nothing else', false)
    .action((files: string[], _options: object, merge: Command) => {
      merging = { ...merge.optsWithGlobals<Omit<MergeOptions, 'files'>>(), files };
    });
  command.parse([...argv], { from: 'user' });
  return { options: command.opts<CliOptions>(), merging };
}
