/** The options of `balsa conformance`, and what its exit codes mean. */
import path from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { engineNames } from '@balsa/engines';
import { levels, type Level } from '@balsa/test-suite';
import { explain } from '../messages.ts';
import { addEngineOption, parseCount } from '../options.ts';
import type { StopRequest } from '@balsa/cluster';
import { conformance, type ConformanceArguments } from './conformance.ts';
import { WrongChoice } from './stores.ts';
import { writeStarter } from './starter.ts';

function addLevel(text: string, known: readonly Level[] = []): readonly Level[] {
  const level = levels.find((one) => one === text);
  if (level === undefined)
    throw new InvalidArgumentError(`Expected one of ${levels.join(', ')}, not ${JSON.stringify(text)}.`);
  return [...known, level];
}

function parseRuns(text: string): number {
  const runs = parseCount(text);
  if (runs < 1) throw new InvalidArgumentError('Expected at least 1: without histories every store passes.');
  return runs;
}

function parseSeconds(text: string): number {
  const seconds = parseCount(text);
  if (seconds < 1 || seconds > 86_400)
    throw new InvalidArgumentError(`Expected 1 to 86400 seconds, not ${text}.`);
  return seconds;
}

const addText = (text: string, known: readonly string[] = []): readonly string[] => [...known, text];

const help = `
Exit codes: 0 when no case failed, 1 when one did, 2 when there is no such store or case, or no such choice.
A module exports target = { name, create() }, the type Target of @balsa/test-suite; docs/tutorial-store.md tells how.`;

interface Given extends ConformanceArguments {
  readonly init?: string;
}

export function conformanceCommand(stop: StopRequest): Command {
  return (
    new Command('conformance')
      .description('run the conformance suite against a store, and say what the store really promises')
      .argument('[store]', `${engineNames.join(', ')}, or the path of a module that exports a target`)
      .addOption(
        new Option('--level <level>', `of the cases; may be repeated: ${levels.join(', ')}`).argParser(
          addLevel,
        ),
      )
      .addOption(new Option('--only <id>', 'of one case; may be repeated').argParser(addText))
      .option('--seed <n>', 'of random histories and faults', parseCount)
      .option('--path <path>', 'where in the histories of that seed to begin, as a failure printed it')
      .option('--runs <n>', 'random histories of each case of level model (default 40)', parseRuns)
      .option(
        '--timeout <seconds>',
        'for each case, after which it has failed (default 60 for those that take no second, 300 for the others)',
        parseSeconds,
      )
      .option('--long', 'run the cases that take minutes as well')
      .option(
        '--json [file]',
        'write the report as JSON (test-suite/schema/conformance-report.schema.json); with --list the list, to stdout without a file',
      )
      .addOption(
        new Option('--option <key=value>', 'for the store; may be repeated').argParser(addEngineOption),
      )
      .option('--list', 'list the cases instead of running them')
      .option('--init <dir>', 'write a starter store with its test into a directory, instead of running')
      .addHelpText('after', help)
      // A choice that cannot be is told apart from a store that fails.
      .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2))
      .action(async (store: string | undefined, { init, ...given }: Given) => {
        try {
          if (init === undefined) process.exitCode = await conformance(store, given, stop.signal);
          else process.stdout.write(await writeStarter(path.resolve(init)));
        } catch (error) {
          if (!(error instanceof WrongChoice)) throw error;
          process.stderr.write(`balsa: ${explain(error)}\n`);
          process.exitCode = 2;
        }
      })
  );
}
