/** `balsa conformance`: points the suite at a store and says what the store really promises. */
import { access, constants, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { engineNames, type RawOptions } from '@balsa/engines';
import { createNodeEnv } from '@balsa/raft-node';
import { chooseCases, levels, runConformance, type ConformanceReport, type Level } from '@balsa/test-suite';
import { printReport, progressPrinter } from './print.ts';
import { findTarget, WrongChoice } from './stores.ts';

export interface ConformanceArguments {
  readonly level?: readonly Level[];
  readonly only?: readonly string[];
  readonly seed?: number;
  readonly path?: string;
  readonly runs?: number;
  readonly json?: string;
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
    for (const { id, level, title } of chosen) write(`${level.padEnd(12)}${id}\n            ${title}\n`);
    return 0;
  }
  if (store === undefined)
    throw new WrongChoice(
      `say which store: ${engineNames.join(', ')}, or the path of a module that exports a target`,
    );
  if (given.json !== undefined) await checkWritable(given.json);
  const target = await findTarget(store, given.option ?? {});
  const live = process.stdout.isTTY && process.env['TERM'] !== 'dumb';
  write(`${target.name}: ${String(chosen.length)} cases\n`);
  const stray = watchStray();
  const print = progressPrinter(write, live);
  const report = await runConformance(target, {
    env: createNodeEnv(),
    signal,
    ...choice(given),
    ...(given.seed !== undefined && { seed: given.seed }),
    ...(given.path !== undefined && { path: given.path }),
    ...(given.runs !== undefined && { runs: given.runs }),
    ...(given.long === true && { long: true }),
    ...(given.timeout !== undefined && { caseTimeoutMs: given.timeout * 1000 }),
    onCase: (one, progress) => {
      if (progress.result === undefined) stray.during = one.id;
      print(one, progress);
    },
  });
  stray.done();
  printReport(report, commandLine(store, given), write);
  for (const { during, text } of stray.found)
    write(`\nFAIL during ${during}: a rejection of the store was handled by nobody: ${text}\n`);
  if (given.json !== undefined) await writeFile(given.json, `${JSON.stringify(report, undefined, 2)}\n`);
  return exitCode(report, stray.found.length);
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

function exitCode(report: ConformanceReport, strays: number): number {
  return strays > 0 || report.levels.some(({ failed }) => failed > 0) ? 1 : 0;
}

/** The command up to what chooses a case: what a replay begins with. */
function commandLine(store: string, { option = {} }: ConformanceArguments): string {
  const options = Object.entries(option).flatMap(([key, value]) => ['--option', `${key}=${value}`]);
  return ['npx balsa conformance', store, ...options].join(' ');
}

interface Stray {
  during: string;
  readonly found: { readonly during: string; readonly text: string }[];
  done(): void;
}

/**
 * A store's promise that rejects with nobody listening would end this process, and a store that ends the process
 * would end the run as if all were well: both are failures of the store.
 */
function watchStray(): Stray {
  const onRejection = (error: unknown): void => {
    stray.found.push({
      during: stray.during,
      text: error instanceof Error ? error.message : typeof error,
    });
  };
  const onExit = (): void => {
    process.exitCode = 1;
    process.stderr.write(`\nbalsa: the process was ended from within ${stray.during}\n`);
  };
  const stray: Stray = {
    during: 'the opening',
    found: [],
    done: () => {
      process.off('unhandledRejection', onRejection);
      process.off('exit', onExit);
    },
  };
  process.on('unhandledRejection', onRejection);
  process.on('exit', onExit);
  return stray;
}
