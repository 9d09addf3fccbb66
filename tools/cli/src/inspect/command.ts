/** The options of `balsa inspect`, and what its exit codes mean. */
import path from 'node:path';
import { persistentEngineNames, type RawOptions } from '@balsa/engines';
import type { StopRequest } from '@balsa/cluster';
import { Command, InvalidArgumentError, Option } from 'commander';
import { addEngineOption } from '../options.ts';
import { inspect } from './inspect.ts';
import { mostListed, type EntryRange } from './look.ts';

const help = `
The data are copied (without using space where the file system can), and only the copy is opened; it is removed at the
end. No byte of the directory changes. A directory that a node runs on is refused: with sqlite, file and rocksdb a lock
tells, with redis the node's own server is asked. That is sure for nodes of this machine; a node in a container of its
own or on another machine is noticed when it writes while the copy is made.
Exit codes: 0 when nothing is wrong, 1 when something is, 2 when there is nothing of the kind or no such choice.`;

/** `FROM..TO`, both included. */
export function parseRange(text: string): EntryRange {
  const [, from, to] = /^(\d+)\.\.(\d+)$/.exec(text) ?? [];
  const range = { from: Number(from), to: Number(to) };
  if (Number.isSafeInteger(range.from) && Number.isSafeInteger(range.to) && range.from <= range.to)
    return range;
  throw new InvalidArgumentError(`Expected FROM..TO, for example 100..200, not ${JSON.stringify(text)}.`);
}

interface Given {
  readonly storage?: string;
  readonly storageOption?: RawOptions;
  readonly group?: string;
  readonly entries?: EntryRange;
  readonly verify?: boolean;
  readonly json?: boolean;
  readonly scratch?: string;
}

export function inspectCommand(stop: StopRequest): Command {
  return (
    new Command('inspect')
      .description('say what is in the data directory of a node that does not run, and change nothing there')
      .argument('<dir>', 'of a node, of several as balsa start makes it, or of a store alone')
      .addOption(
        new Option('--storage <engine>', 'what the data are of, when the directory does not tell').choices(
          persistentEngineNames,
        ),
      )
      .addOption(
        new Option('--storage-option <key=value>', 'of the engine; may be repeated').argParser(
          addEngineOption,
        ),
      )
      .option('--group <name>', 'only this group (default: all)')
      .option('--entries <from..to>', `list entries of the log, at most ${mostListed} at a time`, parseRange)
      .option('--verify', 'read every entry, snapshot and pair, so that every checksum is checked')
      .option('--json', 'print one JSON object instead (docs/operations.md describes it)')
      .option('--scratch <dir>', 'where the copy is made (default: the directory for temporary files)')
      .addHelpText('after', help)
      // A choice that cannot be is told apart from data that are damaged.
      .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2))
      .action(async (directory: string, given: Given) => {
        const { verify = false, json = false, group, entries, scratch, ...choice } = given;
        const options = {
          directory: path.resolve(directory),
          verify,
          json,
          group,
          entries,
          scratch,
          ...choice,
        };
        process.exitCode = await inspect(options, stop);
      })
  );
}
