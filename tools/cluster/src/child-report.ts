/** What a node process tells the process that started it, over the channel between them. */

export interface ReadyReport {
  readonly type: 'ready';
  readonly id: number;
  readonly resp: string;
  readonly http: string;
  readonly raft: string;
}

export interface FailedReport {
  readonly type: 'failed';
  readonly code: string | undefined;
  readonly message: string;
}

export type ChildReport = ReadyReport | FailedReport;

export function isChildReport(value: unknown): value is ChildReport {
  if (typeof value !== 'object' || value === null || !('type' in value)) return false;
  return value.type === 'ready' || value.type === 'failed';
}
