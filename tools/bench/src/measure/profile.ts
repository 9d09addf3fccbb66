/** Where the time of a lane goes, by V8's own sampling profiler. */
import { Session } from 'node:inspector/promises';
import path from 'node:path';
import { runSlice, type Lane } from './slice.ts';

export interface ProfiledFunction {
  readonly name: string;
  /** Of the time of the profile, from 0 to 1. */
  readonly share: number;
}

/** Between two samples, in microseconds. */
const intervalUs = 200;
const shown = 10;

/** Runs the lane for so many milliseconds, and names the functions in which it was itself most of the time. */
export async function profileLane(lane: Lane, ms: number, signal: AbortSignal): Promise<ProfiledFunction[]> {
  const session = new Session();
  session.connect();
  try {
    await session.post('Profiler.enable');
    await session.post('Profiler.setSamplingInterval', { interval: intervalUs });
    await session.post('Profiler.start');
    await runSlice(lane, ms, signal);
    const { profile } = await session.post('Profiler.stop');
    const hits = new Map<string, number>();
    for (const { callFrame, hitCount = 0 } of profile.nodes) {
      const { functionName, url, lineNumber } = callFrame;
      const place = url === '' ? '' : ` (${path.basename(url)}:${lineNumber + 1})`;
      const name = `${functionName === '' ? '(anonymous)' : functionName}${place}`;
      hits.set(name, (hits.get(name) ?? 0) + hitCount);
    }
    const total = [...hits.values()].reduce((sum, count) => sum + count, 0);
    return [...hits]
      .filter(([, count]) => count > 0)
      .sort(([, a], [, b]) => b - a)
      .slice(0, shown)
      .map(([name, count]) => ({ name, share: count / total }));
  } finally {
    session.disconnect();
  }
}
