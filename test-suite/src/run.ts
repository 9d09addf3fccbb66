/** Runs cases without a test runner, one after another, into a report. */
import type { Env, StorageCapabilities, Timer } from '@balsa/raft-core';
import { runCase, type CaseOptions, type CaseOutcome, type ConformanceCase } from './case.ts';
import { seedOf } from './replay.ts';
import { countLevels, gradeOf, type CaseResult, type ConformanceReport } from './report.ts';
import { orderedCases, storageCases } from './suite.ts';
import { missingNeed, type Level, type Target } from './target.ts';

export interface ConformanceOptions extends CaseOptions {
  /** The clock: durations are reported, and a case that does not end within `caseTimeoutMs` has failed. */
  readonly env: Pick<Env, 'now' | 'setTimer'>;
  /** Default: all. */
  readonly levels?: readonly Level[];
  /** Ids of the cases to run, long ones too. Default: all. */
  readonly only?: readonly string[];
  /** Runs the long cases as well: a million entries, many cycles. Default false. */
  readonly long?: boolean;
  /** Milliseconds; default five minutes. Not a measure of speed: it ends what hangs. */
  readonly caseTimeoutMs?: number;
  /** Once aborted, the cases that have not begun are left out, and reported as not run. */
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

/** Bound on one case, in milliseconds. */
const defaultCaseTimeoutMs = 300_000;

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
  const capabilities = await capabilitiesOf(target);
  for (const [i, one] of chosen.entries()) {
    const progress = { position: i + 1, total: chosen.length };
    options.onCase?.(one, progress);
    const result = await runOne(one, target, { ...options, seed });
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

async function runOne(
  one: ConformanceCase,
  target: Target,
  options: ConformanceOptions & { readonly seed: number },
): Promise<CaseResult> {
  const { id, level, title } = one;
  const missing = missingNeed(target, one.needs);
  if (missing !== undefined)
    return { id, level, title, status: 'not-applicable', reason: missing, milliseconds: 0 };
  if (options.signal?.aborted === true) {
    return { id, level, title, status: 'not-run', reason: 'the run was stopped before it', milliseconds: 0 };
  }
  if (one.long === true && options.long !== true && options.only === undefined) {
    const reason = 'it takes minutes: run it with --long or by its id';
    return { id, level, title, status: 'not-run', reason, milliseconds: 0 };
  }
  const started = options.env.now();
  const elapsed = (): number => Math.round(options.env.now() - started);
  try {
    const outcome = await withinTime(runCase(one, target, options), options);
    return { id, level, title, ...outcome, milliseconds: elapsed() };
  } catch (error) {
    const replay = replayArguments(id, options.seed, error);
    return { id, level, title, status: 'failed', reason: reasonOf(error), replay, milliseconds: elapsed() };
  }
}

/** A store that never answers must not stop the run; what it still does then is on its own. */
async function withinTime(running: Promise<CaseOutcome>, options: ConformanceOptions): Promise<CaseOutcome> {
  const limit = options.caseTimeoutMs ?? defaultCaseTimeoutMs;
  let timer: Timer | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = options.env.setTimer(limit, () => {
      reject(new Error(`it did not end within ${String(limit)} ms: some call of the store never settles`));
    });
  });
  try {
    return await Promise.race([running, late]);
  } finally {
    timer?.cancel();
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
  if (!(error instanceof Error)) return `rejected with ${typeof error} instead of an Error`;
  const code = 'code' in error && typeof error.code === 'string' ? `${error.code}: ` : '';
  return code === 'ERR_ASSERTION: ' ? error.message : `${code}${error.message}`;
}

/** What a fresh store says of itself; undefined when it does not open: the cases then say why. */
async function capabilitiesOf(target: Target): Promise<ConformanceReport['capabilities']> {
  try {
    const harness = await target.create();
    try {
      const engine = await harness.open();
      const { capabilities } = engine;
      await engine.close();
      return plainCapabilities(capabilities);
    } finally {
      await harness.destroy();
    }
  } catch {
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
