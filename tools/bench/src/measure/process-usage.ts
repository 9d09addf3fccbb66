/** CPU time and bytes written of this process and of servers that work for it. */
import { readFileSync } from 'node:fs';

export interface Usage {
  /** User and system time, in milliseconds. */
  readonly cpuMs: number;
  /** Bytes sent towards the disk, as the kernel counts them; NaN where it does not say. */
  readonly writtenBytes: number;
}

/** The unit of times in /proc, in milliseconds; 100 a second on every Linux that Node runs on. */
const tickMs = 10;

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    // Not Linux, not ours to look at, or gone meanwhile: the figure is then shown as unknown.
    return undefined;
  }
}

function writtenBy(pid: number | 'self'): number {
  const match = /^write_bytes: (\d+)$/m.exec(readText(`/proc/${pid}/io`) ?? '');
  return match === null ? Number.NaN : Number(match[1]);
}

function cpuOf(pid: number): number {
  // After the name, which may hold blanks and brackets: state is field 3, utime 14, stime 15.
  const fields =
    readText(`/proc/${pid}/stat`)
      ?.replace(/^.*\) /s, '')
      .split(' ') ?? [];
  return (Number(fields[11] ?? Number.NaN) + Number(fields[12] ?? Number.NaN)) * tickMs;
}

/** Of one other process alone. */
export function usageOf(pid: number): Usage {
  return { cpuMs: cpuOf(pid), writtenBytes: writtenBy(pid) };
}

export function usageNow(servers: readonly number[]): Usage {
  const { user, system } = process.cpuUsage();
  let cpuMs = (user + system) / 1000;
  let writtenBytes = writtenBy('self');
  for (const pid of servers) {
    cpuMs += cpuOf(pid);
    writtenBytes += writtenBy(pid);
  }
  return { cpuMs, writtenBytes };
}
