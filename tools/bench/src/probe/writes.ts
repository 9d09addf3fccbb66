/** The writes of a probe: each carries bytes that are found again in what reaches the disk. */
import { createHash } from 'node:crypto';
import { Entry, EntryType, type Engine } from '@balsa/raft-core';
import { appendMark } from '@balsa/test-suite/shim';
import { ackMark, beginMark, markOf } from './judge.ts';

/** Environment variable with the job, as JSON. */
export const jobVariable = 'BALSA_PROBE_JOB';

export interface ProbeJob {
  readonly reference: {
    readonly engine: string;
    readonly directory: string;
    readonly options: Readonly<Record<string, string | number | boolean>>;
  };
  readonly trace: string;
}

const writes = 24;
/** So often that one of them lies whole in one page or block. */
const repeats = 8;

/** Not to be compressed, and the same in every process. */
export function probeMarkers(): Buffer[] {
  return Array.from({ length: writes }, (_, n) => createHash('sha256').update(`balsa probe ${n}`).digest());
}

/** One write after another, each announced in the record before it begins and after it was acknowledged. */
export async function makeProbeWrites(engine: Engine, trace: string): Promise<void> {
  const storage = engine.group('probe');
  await storage.open();
  for (const [n, marker] of probeMarkers().entries()) {
    const data = Buffer.concat(Array.from({ length: repeats }, () => marker));
    const entries = [new Entry(1, n + 1, EntryType.Normal, data)];
    appendMark(trace, markOf(beginMark, n));
    await storage.write({ entries, hardState: { term: 1, vote: 1, commit: n } });
    appendMark(trace, markOf(ackMark, n));
  }
}
