/** What is said at the end, to people and to machines. */
import Table from 'cli-table3';
import type { Disks } from './disks.ts';
import type { Findings } from './findings.ts';
import type { ChaosOptions } from './options.ts';
import type { Watch } from './watch.ts';

export interface ChaosReport {
  readonly ok: boolean;
  readonly storages: readonly string[];
  readonly minutes: number;
  readonly seed: number;
  readonly seconds: number;
  /** What disks could be filled with; null when they were not. */
  readonly disks: string | null;
  readonly faults: Readonly<Record<string, number>>;
  readonly operations: Readonly<Record<string, number>>;
  /** Appended tokens by outcome: what is accounted for. */
  readonly tokens: Readonly<Record<string, number>>;
  /** Histories of keys by verdict. */
  readonly histories: Readonly<Record<string, number>>;
  readonly keysReadAtTheEnd: number;
  readonly digestsCompared: number;
  /** Nodes that ended by themselves and were started again, by code. */
  readonly ends: Readonly<Record<string, number>>;
  /** Terms whose leader was seen. */
  readonly leaders: number;
  readonly snapshotsSent: number;
  readonly snapshotsInstalled: number;
  readonly compactions: number;
  readonly longestRecoveryMs: number;
  readonly longestWithoutAnAnswerMs: number;
  readonly peakMib: { readonly node: number; readonly server: number; readonly self: number };
  readonly violationCount: number;
  readonly violations: readonly string[];
}

export interface ReportParts {
  readonly options: ChaosOptions;
  readonly findings: Findings;
  readonly watch: Watch;
  readonly disks: Disks;
  readonly storages: readonly string[];
  readonly seconds: number;
}

export function makeReport({ options, findings, watch, disks, storages, seconds }: ReportParts): ChaosReport {
  const mib = (bytes: number): number => Math.round(bytes / 1024 / 1024);
  const { peaks } = watch;
  return {
    ok: findings.violationCount === 0 && findings.counted('digests compared') > 0,
    storages,
    minutes: options.minutes,
    seed: options.seed,
    seconds: Math.round(seconds),
    disks: disks.kind ?? null,
    faults: findings.group('fault '),
    operations: findings.group('operations '),
    tokens: findings.group('tokens '),
    histories: findings.group('histories '),
    keysReadAtTheEnd: findings.counted('keys read at the end'),
    digestsCompared: findings.counted('digests compared'),
    ends: findings.group('ends '),
    ...watch.totals(),
    longestRecoveryMs: Math.round(findings.durations.get('recovery') ?? 0),
    longestWithoutAnAnswerMs: Math.round(findings.durations.get('without an answer') ?? 0),
    peakMib: { node: mib(peaks.node), server: mib(peaks.server), self: mib(peaks.self) },
    violationCount: findings.violationCount,
    violations: findings.violations,
  };
}

export function printReport(report: ChaosReport): string {
  const table = new Table({
    style: { head: [], border: [] },
    chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
  });
  const list = (counts: Readonly<Record<string, number>>): string =>
    Object.entries(counts)
      .map(([name, count]) => `${count} ${name}`)
      .join('\n') || 'none';
  table.push(
    ['nodes on', report.storages.join(', ')],
    ['faults', list(report.faults)],
    ['nodes that ended by themselves', list(report.ends)],
    ['operations on registers', list(report.operations)],
    ['histories', list(report.histories)],
    ['writes accounted for', list(report.tokens)],
    ['read again at the end', `${report.keysReadAtTheEnd} keys; ${report.digestsCompared} digests compared`],
    [
      'the nodes counted',
      `${report.leaders} leaders, ${report.compactions} compactions, ${report.snapshotsInstalled} snapshots installed`,
    ],
    ['longest without an answer', `${(report.longestWithoutAnAnswerMs / 1000).toFixed(1)} s`],
    ['longest recovery after a fault', `${(report.longestRecoveryMs / 1000).toFixed(1)} s`],
    [
      'most memory',
      `${report.peakMib.node} MiB a node, ${report.peakMib.server} MiB a server, ${report.peakMib.self} MiB here`,
    ],
    ['disks', report.disks === null ? 'not filled' : `filled (${report.disks})`],
    ['violations', String(report.violationCount)],
  );
  const verdict = report.ok ? 'ok' : 'NOT ok';
  const broken = report.violations.map((text) => `VIOLATION: ${text}\n`).join('');
  return `${table.toString()}\n${broken}${verdict}: seed ${report.seed}, ${report.seconds} s\n`;
}
