/** What a node process tells the process that started it, over the channel between them. */

export interface ReadyReport {
  readonly type: 'ready';
  readonly id: number;
  readonly resp: string;
  readonly http: string;
  readonly raft: string;
}

/** The server that holds the node's data runs, for the first time or again. */
export interface ServerReport {
  readonly type: 'server';
  readonly pid: number;
  readonly url: string;
}

export interface FailedReport {
  readonly type: 'failed';
  readonly code: string | undefined;
  readonly message: string;
}

export type ChildReport = ReadyReport | ServerReport | FailedReport;

export function isChildReport(value: unknown): value is ChildReport {
  if (typeof value !== 'object' || value === null || !('type' in value)) return false;
  return value.type === 'ready' || value.type === 'server' || value.type === 'failed';
}
