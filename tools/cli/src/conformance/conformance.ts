/** `balsa conformance`: points the suite at a store and says what the store really promises. */
import { access, constants, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { engineNames, type RawOptions } from '@balsa/engines';
import { createNodeEnv } from '@balsa/raft-node';
import {
  chooseCases,
  levels,
  runConformance,
  withFailures,
  type ConformanceCase,
  type Level,
} from '@balsa/test-suite';
import { printReport, progressPrinter } from './print.ts';
import { findTarget, WrongChoice } from './stores.ts';
import { watchStray } from './stray.ts';
import { startWatchdog } from './watchdog.ts';

export interface ConformanceArguments {
  readonly level?: readonly Level[];
  readonly only?: readonly string[];
  readonly seed?: number;
  readonly path?: string;
  readonly runs?: number;
  /** True where no file was named. */
  readonly json?: string | true;
  /** Seconds for each case. */
  readonly timeout?: number;
  readonly option?: RawOptions;
  readonly long?: boolean;
  readonly list?: boolean;
}

/** Resolves with the exit code: 0 when nothing failed, 1 when something did. Rejects with `WrongChoice` for code 2. */
export async function conformance(
  store: string | undefined,
  given: ConformanceArguments,
  signal: AbortSignal,
): Promise<number> {
  const write = (text: string): void => void process.stdout.write(text);
  const chosen = chooseCases(choice(given));
  for (const id of given.only ?? []) {
    if (!chosen.some((one) => one.id === id))
      throw new WrongChoice(
        `there is no case ${id} among the chosen ones; balsa conformance --list shows all`,
      );
  }
  if (given.list === true) {
    await list(chosen, given.json, write);
    return 0;
  }
  if (store === undefined)
    throw new WrongChoice(
      `say which store: ${engineNames.join(', ')}, or the path of a module that exports a target`,
    );
  const { json } = given;
  if (json === true) throw new WrongChoice('say into which file: --json FILE; only --list prints to stdout');
  if (json !== undefined) await checkWritable(json);
  const stray = watchStray();
  const target = await findTarget(store, given.option ?? {}).catch(async (error: unknown) => {
    await stray.done();
    throw error;
  });
  stray.imported();
  const live = process.stdout.isTTY && process.env['TERM'] !== 'dumb';
  write(`${target.name}: ${String(chosen.length)} cases\n`);
  const print = progressPrinter(write, live);
  const caseTimeoutMs = given.timeout === undefined ? undefined : given.timeout * 1000;
  const watchdog = startWatchdog(caseTimeoutMs);
  const found = await runConformance(target, {
    env: createNodeEnv(),
    signal,
    ...choice(given),
    ...(given.seed !== undefined && { seed: given.seed }),
    ...(given.path !== undefined && { path: given.path }),
    ...(given.runs !== undefined && { runs: given.runs }),
    ...(given.long === true && { long: true }),
    ...(caseTimeoutMs !== undefined && { caseTimeoutMs }),
    onCase: (one, progress) => {
      stray.enter(one.id);
      watchdog.enter(one.id);
      print(one, progress);
    },
  });
  await watchdog.stop();
  const report = withFailures(found, await stray.done());
  printReport(report, commandLine(store, given), write);
  if (json !== undefined) await writeFile(json, `${JSON.stringify(report, undefined, 2)}\n`);
  return report.levels.some(({ failed }) => failed > 0) ? 1 : 0;
}

/** For people; for machines into a file, or to stdout where none is named. */
async function list(
  cases: readonly ConformanceCase[],
  json: ConformanceArguments['json'],
  write: (text: string) => void,
): Promise<void> {
  if (json === undefined) {
    for (const { id, level, title } of cases) write(`${level.padEnd(12)}${id}\n            ${title}\n`);
    return;
  }
  const plain = cases.map(({ id, level, title, needs = [], long = false }) => ({
    id,
    level,
    title,
    needs,
    long,
  }));
  const text = `${JSON.stringify(plain, undefined, 2)}\n`;
  if (json === true) write(text);
  else {
    await checkWritable(json);
    await writeFile(json, text);
  }
}

/** Told before a run of minutes rather than after it. */
async function checkWritable(file: string): Promise<void> {
  try {
    await access(path.dirname(path.resolve(file)), constants.W_OK);
    if ((await stat(file).catch(() => undefined))?.isDirectory() === true)
      throw new Error('it is a directory');
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new WrongChoice(`the report cannot be written to ${file}: ${reason}`, { cause });
  }
}

function choice({ level, only }: ConformanceArguments): {
  readonly levels?: readonly Level[];
  readonly only?: readonly string[];
} {
  return {
    ...(level !== undefined && { levels: levels.filter((one) => level.includes(one)) }),
    ...(only !== undefined && { only }),
  };
}

/** The command up to what chooses a case: what a replay begins with. */
function commandLine(store: string, { option = {} }: ConformanceArguments): string {
  const options = Object.entries(option).flatMap(([key, value]) => ['--option', `${key}=${value}`]);
  return ['npx balsa conformance', store, ...options].join(' ');
}
