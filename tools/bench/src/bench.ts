/** What `balsa bench` does with its options. */
import { constants, type Stats } from 'node:fs';
import { access, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { EngineChoiceError, engineNames } from '@balsa/engines';
import { EtcdUnusable, etcdVersion } from './cluster/etcd-cluster.ts';
import { compareReports } from './compare/compare.ts';
import { readReport, UnreadableReport } from './compare/read.ts';
import { comparisonText } from './compare/text.ts';
import { findEntrants } from './entrants.ts';
import { choosePlan, type PlanChoice } from './plan.ts';
import { reportPage } from './report/html/page.ts';
import { reportText } from './report/table.ts';
import type { BenchReport } from './report/report.ts';
import { runBench } from './run.ts';
import { chooseWorkloads, UnknownWorkload, workloads } from './workloads/workloads.ts';

export interface BenchFlags extends PlanChoice {
  readonly workload?: readonly string[];
  readonly compressible?: boolean;
  readonly directory: string;
  /** True where no file was named. */
  readonly json?: string | true;
  readonly html?: string;
  readonly list?: boolean;
  readonly etcd?: string;
}

interface Progress {
  readonly say: (text: string) => void;
  readonly end: () => void;
}

/** A line that is rewritten on a terminal, lines one below another elsewhere. */
function progressOn(stream: NodeJS.WriteStream): Progress {
  if (!stream.isTTY) return { say: (text) => stream.write(`${text}\n`), end: () => undefined };
  const width = stream.columns;
  return {
    say: (text) => stream.write(`\r\x1b[K${text.slice(0, width - 1)}`),
    end: () => stream.write('\r\x1b[K'),
  };
}

function listText(): string {
  const lines = workloads.map(({ name, description }) => `  ${name.padEnd(12)} ${description}`);
  return `Workloads:\n${lines.join('\n')}\n\nStores:\n  ${engineNames.join(', ')}, or the path of a module\n`;
}

async function list({ json }: BenchFlags): Promise<void> {
  const all = {
    workloads: workloads.map(({ name, description }) => ({ name, description })),
    stores: engineNames,
  };
  const text = `${JSON.stringify(all, undefined, 1)}\n`;
  if (typeof json === 'string') await writeFile(json, text);
  else process.stdout.write(json === true ? text : listText());
}

/** Resolves with the exit code. */
export async function bench(
  stores: readonly string[],
  flags: BenchFlags,
  signal: AbortSignal,
): Promise<number> {
  const { say, end } = progressOn(process.stderr);
  try {
    await check(flags);
    if (flags.list === true) {
      await list(flags);
      return 0;
    }
    const report = await runBench({
      sources: await findEntrants(stores),
      workloads: chooseWorkloads(flags.workload),
      plan: choosePlan(flags),
      payload: flags.compressible === true ? 'text' : 'random',
      directory: path.resolve(flags.directory),
      etcd: flags.etcd,
      signal,
      say,
    });
    end();
    // First: a file that cannot be written after all must not cost what was measured.
    process.stdout.write(reportText(report));
    await write(report, flags);
    return report.stores.some(({ status }) => status === 'refused') ? 1 : 0;
  } catch (error) {
    end();
    if (!isChoice(error)) throw error;
    process.stderr.write(`balsa: ${error.message}\n`);
    return 2;
  }
}

class NoPlace extends Error {}

/** What would be found out only after minutes of measuring. */
async function check(flags: BenchFlags): Promise<void> {
  const { etcd, json, html, directory } = flags;
  if (etcd !== undefined) etcdVersion(etcd);
  if (json === true && flags.list !== true)
    throw new NoPlace('--json: say into which file; only --list prints to stdout');
  // Not made where it is missing: a disk that is not mounted would be another disk, and a typo any.
  if ((await look(directory))?.isDirectory() !== true)
    throw new NoPlace(`--directory ${directory}: there is no such directory; make it on the disk under test`);
  await access(directory, constants.W_OK).catch((cause: unknown) => {
    throw new NoPlace(`--directory ${directory}: it cannot be written to`, { cause });
  });
  for (const [option, file] of Object.entries({ json, html })) {
    if (typeof file !== 'string') continue;
    const place = path.dirname(path.resolve(file));
    await access(place, constants.W_OK).catch((cause: unknown) => {
      throw new NoPlace(`--${option} ${file}: ${place} is not there or cannot be written to`, { cause });
    });
    if ((await look(file))?.isDirectory() === true)
      throw new NoPlace(`--${option} ${file}: it is a directory`);
  }
}

const look = (file: string): Promise<Stats | undefined> => stat(file).catch(() => undefined);

/** What the user can put right by another choice. */
function isChoice(error: unknown): error is Error {
  return (
    error instanceof EngineChoiceError ||
    error instanceof UnknownWorkload ||
    error instanceof EtcdUnusable ||
    error instanceof NoPlace
  );
}

async function write(report: BenchReport, { json, html }: BenchFlags): Promise<void> {
  if (typeof json === 'string') await writeFile(json, `${JSON.stringify(report, undefined, 1)}\n`);
  if (html !== undefined) await writeFile(html, reportPage(report));
}

export interface CompareFlags {
  readonly all?: boolean;
  readonly json?: string;
}

/** Resolves with the exit code. */
export async function compare(before: string, after: string, { all, json }: CompareFlags): Promise<number> {
  try {
    const comparison = compareReports(await readReport(before), await readReport(after));
    if (json !== undefined) await writeFile(json, `${JSON.stringify(comparison, undefined, 1)}\n`);
    process.stdout.write(comparisonText(comparison, all === true));
    return comparison.changes.some(({ verdict, kind }) => verdict === 'worse' && kind === 'adapter') ? 1 : 0;
  } catch (error) {
    if (!(error instanceof UnreadableReport)) throw error;
    process.stderr.write(`balsa: ${error.message}\n`);
    return 2;
  }
}
