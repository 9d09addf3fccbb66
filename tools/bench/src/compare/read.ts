/** Reads a report that an earlier run wrote. */
import { readFile } from 'node:fs/promises';
import { reportFormat, type BenchReport } from '../report/report.ts';

/** A file that cannot be taken: the command ends with exit code 2. */
export class UnreadableReport extends Error {}

export async function readReport(file: string): Promise<BenchReport> {
  let value: unknown;
  try {
    value = JSON.parse(await readFile(file, 'utf8'));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new UnreadableReport(`${file} cannot be read as a report: ${reason}`, { cause });
  }
  if (typeof value !== 'object' || value === null || !('format' in value) || value.format !== reportFormat) {
    throw new UnreadableReport(
      `${file} is no report of this version: its format must be ${reportFormat}, as balsa bench --json writes it`,
    );
  }
  return value as BenchReport;
}
