/** What a conformance run says to people: a line a case, or one line that moves, and the report. */
import type { CaseProgress, CaseResult, ConformanceCase, ConformanceReport, Level } from '@balsa/test-suite';
import Table from 'cli-table3';
import { bar } from '../progress.ts';

type Write = (text: string) => void;

const marks = { passed: 'ok  ', failed: 'FAIL', 'not-applicable': 'n/a ', 'not-run': 'skip' } as const;

/** On a terminal one line that moves, with failures left standing; in a pipe one line for each case. */
export function progressPrinter(
  write: Write,
  live: boolean,
): (one: ConformanceCase, progress: CaseProgress) => void {
  return (one, { position, total, result }) => {
    const width = String(total).length;
    const counted = `[${String(position).padStart(width)}/${String(total)}]`;
    if (result === undefined) {
      if (live) write(`\r\x1b[K${bar(position - 1, total)} ${counted} ${one.id}`);
      return;
    }
    if (!live) write(`${counted} ${marks[result.status]} ${result.id} (${String(result.milliseconds)} ms)\n`);
    else if (result.status === 'failed') write(`\r\x1b[KFAIL ${result.id}\n`);
    if (live && position === total) write('\r\x1b[K');
  };
}

const gradeMeanings = {
  A: 'cases of every level passed, none failed',
  B: 'nothing failed, but of some level nothing was tried',
  C: 'something failed beyond core and durable',
  D: 'data do not survive a closing and reopening',
  F: 'a rule of one life is broken',
} as const;

/** The whole report, of at most one screen where all is well. */
export function printReport(report: ConformanceReport, command: string, write: Write): void {
  const table = new Table({
    head: ['level', 'passed', 'failed', 'not applicable', 'not run'],
    style: { head: [], border: [] },
    // A line between all rows would double the table.
    chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
    colAligns: ['left', 'right', 'right', 'right', 'right'],
  });
  for (const { level, passed, failed, notApplicable, notRun } of report.levels)
    table.push([level, passed, failed, notApplicable, notRun]);
  write(`\n${table.toString()}\n`);
  printUntried(report.cases, write);
  printFailures(report.cases, command, write);
  const { capabilities } = report;
  if (capabilities !== undefined) {
    const lag = String(capabilities.watermarkLag);
    write(
      `\nthe store says: ${capabilities.engine} ${capabilities.engineVersion}, durability ${capabilities.durability}, ` +
        `${capabilities.persistent ? '' : 'not '}persistent, watermark lag ${lag} writes, ` +
        `entries of at most ${String(capabilities.maxEntryBytes)} bytes\n`,
    );
  }
  const part = report.complete ? '' : ' (of the part that was asked for)';
  write(`grade ${report.grade}${part}: ${gradeMeanings[report.grade]}\n`);
  write(
    `${report.target}: seed ${String(report.seed)}, ${(report.milliseconds / 1000).toFixed(1)} s, ` +
      `Node ${report.environment.node} on ${report.environment.platform} ${report.environment.arch}\n`,
  );
}

/** Why cases were not tried: one line for each reason and level, with the ids. */
function printUntried(cases: readonly CaseResult[], write: Write): void {
  const byReason = new Map<string, string[]>();
  for (const { status, level, reason = '', id } of cases) {
    if (status !== 'not-applicable' && status !== 'not-run') continue;
    const key = `${heading(status)} (${level satisfies Level}): ${reason}`;
    byReason.set(key, [...(byReason.get(key) ?? []), id]);
  }
  for (const [reason, ids] of byReason) write(`\n${reason}\n  ${ids.join(', ')}\n`);
}

function heading(status: 'not-applicable' | 'not-run'): string {
  return status === 'not-run' ? 'not run' : 'not applicable';
}

/** So many failures for one reason have one cause, such as a store that does not open, and are told once. */
const toldOnce = 4;

function printFailures(cases: readonly CaseResult[], command: string, write: Write): void {
  const byReason = new Map<string, CaseResult[]>();
  for (const one of cases) {
    if (one.status !== 'failed') continue;
    const { reason = '' } = one;
    byReason.set(reason, [...(byReason.get(reason) ?? []), one]);
  }
  for (const [reason, failed] of byReason) {
    const shared = failed.length >= toldOnce;
    for (const one of shared ? failed.slice(0, 1) : failed) printFailure(one, reason, command, write);
    if (!shared) continue;
    const others = failed.slice(1).map(({ id }) => id);
    write(`\nFAIL for the same reason, ${String(others.length)} more:\n  ${others.join(', ')}\n`);
  }
}

function printFailure(
  { id, title, replay = [] }: CaseResult,
  reason: string,
  command: string,
  write: Write,
): void {
  const indented = reason.trim().split('\n').join('\n    ');
  write(`\nFAIL ${id}\n  the rule: ${title}\n  found:\n    ${indented}\n`);
  write(`  run it again with:\n    ${command} ${replay.join(' ')}\n`);
}
