/** Runs cases without a test runner, one after another, into a report. */
import { inspect } from 'node:util';
import type { Env, StorageCapabilities } from '@balsa/raft-core';
import { runCase, type CaseOptions, type ConformanceCase } from './case.ts';
import { seedOf } from './replay.ts';
import { countLevels, gradeOf, type CaseResult, type ConformanceReport } from './report.ts';
import { orderedCases, storageCases } from './suite.ts';
import { missingNeed, type Level, type Target } from './target.ts';
import { CutShort, withinBounds, type Bounds } from './watch.ts';

export interface ConformanceOptions extends CaseOptions {
  /** The clock: durations are reported, and a case that does not end within `caseTimeoutMs` has failed. */
  readonly env: Pick<Env, 'now' | 'setTimer'>;
  /** Default: all. */
  readonly levels?: readonly Level[];
  /** Ids of the cases to run, long ones too. Default: all. */
  readonly only?: readonly string[];
  /** Runs the long cases as well: a million entries, many cycles. Default false. */
  readonly long?: boolean;
  /** Milliseconds for each case; default one minute for those that take no second, five for the others. It ends what hangs. */
  readonly caseTimeoutMs?: number;
  /** Once aborted, the case under way is cut short, and the others are left out: all are reported as not run. */
  readonly signal?: AbortSignal;
  /** Told before each case, and after it with its result. */
  readonly onCase?: (one: ConformanceCase, progress: CaseProgress) => void;
}

export interface CaseProgress {
  /** From 1. */
  readonly position: number;
  readonly total: number;
  /** Absent before the case has run. */
  readonly result?: CaseResult;
}

/** Levels whose cases take no second each, wherever the data are. */
const quickLevels: readonly Level[] = ['core', 'durable', 'concurrency'];

/** Bounds in milliseconds. Not a measure of speed: they end what hangs. */
const quickTimeoutMs = 60_000;
const slowTimeoutMs = 300_000;

/** A store that hangs so often hangs in every case: the rest of the run would only wait for it. */
const patience = 2;

/** The cases that a choice of levels and ids names, in the order of the suite. */
export function chooseCases(options: Pick<ConformanceOptions, 'levels' | 'only'> = {}): ConformanceCase[] {
  const { levels, only } = options;
  return [...storageCases, ...orderedCases].filter(
    (one) => (levels?.includes(one.level) ?? true) && (only?.includes(one.id) ?? true),
  );
}

/** Runs what was chosen; never rejects for what a store does. */
export async function runConformance(
  target: Target,
  options: ConformanceOptions,
): Promise<ConformanceReport> {
  const { env } = options;
  const started = env.now();
  const seed = seedOf(options);
  const chosen = chooseCases(options);
  const results: CaseResult[] = [];
  let hangs = 0;
  const onHang = (): void => {
    hangs++;
  };
  const capabilities = await capabilitiesOf(target, { ...options, onHang });
  for (const [i, one] of chosen.entries()) {
    const progress = { position: i + 1, total: chosen.length };
    options.onCase?.(one, progress);
    const leftOut = reasonToLeaveOut(one, options, hangs);
    const result = leftOut ?? (await runOne(one, target, { ...options, seed, onHang }));
    results.push(result);
    options.onCase?.(one, { ...progress, result });
  }
  const counts = countLevels(results);
  return {
    format: 'balsa-conformance/1',
    target: target.name,
    ...(capabilities !== undefined && { capabilities }),
    environment: { node: process.version, platform: process.platform, arch: process.arch },
    seed,
    complete: options.levels === undefined && options.only === undefined,
    grade: gradeOf(counts),
    milliseconds: Math.round(env.now() - started),
    levels: counts,
    cases: results,
  };
}

function reasonToLeaveOut(
  { id, level, title, long }: ConformanceCase,
  options: ConformanceOptions,
  hangs: number,
): CaseResult | undefined {
  const leftOut = (reason: string): CaseResult => ({
    id,
    level,
    title,
    status: 'not-run',
    reason,
    milliseconds: 0,
  });
  if (options.signal?.aborted === true) return leftOut('the run was stopped before it');
  if (hangs >= patience)
    return leftOut('the store hung before it, again and again: mend that first, or run it by its id');
  if (long === true && options.long !== true && options.only === undefined)
    return leftOut('it takes minutes: run it with --long or by its id');
  return undefined;
}

function boundsOf(options: ConformanceOptions, level: Level): Bounds {
  const { env, signal, caseTimeoutMs } = options;
  const limit = caseTimeoutMs ?? (quickLevels.includes(level) ? quickTimeoutMs : slowTimeoutMs);
  return { env, limit, signal };
}

async function runOne(
  one: ConformanceCase,
  target: Target,
  options: ConformanceOptions & { readonly seed: number; readonly onHang: () => void },
): Promise<CaseResult> {
  const { id, level, title } = one;
  const missing = missingNeed(target, one.needs);
  if (missing !== undefined)
    return { id, level, title, status: 'not-applicable', reason: missing, milliseconds: 0 };
  const started = options.env.now();
  const elapsed = (): number => Math.round(options.env.now() - started);
  try {
    const outcome = await withinBounds(target, boundsOf(options, level), (watched) =>
      runCase(one, watched, options),
    );
    return { id, level, title, ...outcome, milliseconds: elapsed() };
  } catch (error) {
    const reason = reasonOf(error);
    // A terminal interrupts the children of a case, too: what it found then says nothing.
    if (options.signal?.aborted === true) {
      const stopped = 'the run was stopped in it';
      return { id, level, title, status: 'not-run', reason: stopped, milliseconds: elapsed() };
    }
    if (error instanceof CutShort) options.onHang();
    const replay = replayArguments(id, options.seed, error);
    return { id, level, title, status: 'failed', reason, replay, milliseconds: elapsed() };
  }
}

/** A shrunken history names its own seed and path. */
function replayArguments(id: string, seed: number, error: unknown): string[] {
  const [, shrunkSeed, path] =
    /BALSA_SEED=(-?\d+) BALSA_PATH=([\d:]+)/.exec(error instanceof Error ? error.message : '') ?? [];
  const where = ['--only', id, '--seed', shrunkSeed ?? String(seed)];
  return path === undefined ? where : [...where, '--path', path];
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return `rejected with ${inspect(error)}, which is no Error`;
  const code = 'code' in error && typeof error.code === 'string' ? `${error.code}: ` : '';
  return code === 'ERR_ASSERTION: ' ? error.message : `${code}${error.message}`;
}

/** What a fresh store says of itself; undefined when it does not open: the cases then say why. */
async function capabilitiesOf(
  target: Target,
  options: ConformanceOptions & { readonly onHang: () => void },
): Promise<ConformanceReport['capabilities']> {
  try {
    return await withinBounds(target, boundsOf(options, 'core'), async (watched) => {
      const harness = await watched.create();
      try {
        const engine = await harness.open();
        const { capabilities } = engine;
        await engine.close();
        return plainCapabilities(capabilities);
      } finally {
        await harness.destroy();
      }
    });
  } catch (error) {
    if (error instanceof CutShort) options.onHang();
    return undefined;
  }
}

function plainCapabilities(stated: StorageCapabilities): NonNullable<ConformanceReport['capabilities']> {
  const { engine, engineVersion, persistent, durability, watermarkLag, maxEntryBytes } = stated;
  return {
    engine,
    engineVersion,
    persistent,
    durability,
    watermarkLag: watermarkLag === Infinity ? 'Infinity' : watermarkLag,
    maxEntryBytes,
  };
}
