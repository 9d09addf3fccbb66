/** `balsa bench`: its options, its help, its exit codes. */
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Command } from 'commander';
import { findEntrants } from './entrants.ts';
import { planOf, type Mode } from './plan.ts';
import { reportText } from './report/table.ts';
import { runBench } from './run.ts';
import { append } from './workloads/append.ts';

interface Flags {
  readonly quick?: boolean;
  readonly full?: boolean;
  readonly json?: string;
  readonly directory: string;
}

function modeOf({ quick, full }: Flags): Mode {
  return full === true ? 'full' : quick === true ? 'quick' : 'standard';
}

/** A line that is rewritten on a terminal, lines one below another elsewhere. */
function progress(): { readonly say: (text: string) => void; readonly end: () => void } {
  const { stderr } = process;
  if (!stderr.isTTY) return { say: (text) => stderr.write(`${text}\n`), end: () => undefined };
  return {
    say: (text) => stderr.write(`\r\x1b[K${text}`),
    end: () => stderr.write('\r\x1b[K'),
  };
}

export function benchCommand(signal: AbortSignal): Command {
  return new Command('bench')
    .description('measure stores against the raw disk, and a cluster of them')
    .argument('[store...]', 'memory, sqlite, redis, rocksdb, file or a module, each with :option=value,...')
    .option('--quick', 'in under four minutes')
    .option('--full', 'everything, for hours')
    .option('--json <file>', 'write the report as JSON')
    .option('--directory <dir>', 'where the disk under test is', tmpdir())
    .action(async (stores: readonly string[], flags: Flags) => {
      const { say, end } = progress();
      const report = await runBench({
        sources: await findEntrants(stores),
        workloads: [append],
        plan: planOf(modeOf(flags)),
        payload: 'random',
        directory: path.resolve(flags.directory),
        signal,
        say,
      });
      end();
      if (flags.json !== undefined) await writeFile(flags.json, `${JSON.stringify(report, undefined, 1)}\n`);
      process.stdout.write(reportText(report));
    });
}
