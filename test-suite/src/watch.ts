/** Bounds on what a store may take: time, and the patience of who asked. What was cut short leaves nothing behind. */
import type { Env, Timer } from '@balsa/raft-core';
import { killChildren } from './child/process.ts';
import type { Harness, Target } from './target.ts';

export interface Bounds {
  readonly env: Pick<Env, 'setTimer'>;
  /** Milliseconds. */
  readonly limit: number;
  readonly signal?: AbortSignal | undefined;
}

/** Something did not come to its own end. */
export class CutShort extends Error {
  override readonly name = 'CutShort';
  readonly why: 'time' | 'stopped';

  constructor(why: 'time' | 'stopped', message: string) {
    super(message);
    this.why = why;
  }
}

/** Milliseconds for removing what was cut short. */
const cleaningLimit = 10_000;

/**
 * Runs `body` on the target. Rejects with `CutShort` when it does not end in time or is stopped; by then its child
 * processes are dead and its places destroyed, as far as they let themselves be. What it still does is on its own.
 */
export async function withinBounds<T>(
  target: Target,
  bounds: Bounds,
  body: (target: Target) => Promise<T>,
): Promise<T> {
  const places: Promise<Harness>[] = [];
  const { env, limit, signal } = bounds;
  let stop: (() => void) | undefined;
  const stopped = new Promise<never>((_, reject) => {
    stop = () => {
      reject(new CutShort('stopped', 'the run was stopped in it'));
    };
    if (signal?.aborted === true) stop();
    signal?.addEventListener('abort', stop);
  });
  const text = `it did not end within ${String(limit)} ms: some call of the store never settles`;
  const late = timeOut(env, limit, text);
  try {
    return await Promise.race([body(remembering(target, places)), late.promise, stopped]);
  } catch (error) {
    if (error instanceof CutShort) await cleanUp(places, env);
    throw error;
  } finally {
    late.cancel();
    if (stop !== undefined) signal?.removeEventListener('abort', stop);
  }
}

/** Remembers a place from the moment it is asked for: a stop may come before it is there. */
function remembering(target: Target, places: Promise<Harness>[]): Target {
  const { name, abilities, orderedStore } = target;
  return {
    name,
    ...(abilities !== undefined && { abilities }),
    ...(orderedStore !== undefined && { orderedStore }),
    create: async () => {
      const place = target.create();
      places.push(place);
      return await place;
    },
  };
}

async function cleanUp(places: readonly Promise<Harness>[], env: Bounds['env']): Promise<void> {
  killChildren();
  const late = timeOut(env, cleaningLimit, 'a place of the store was not destroyed');
  // A place that was destroyed already, or that fails to be, is the lesser trouble now.
  const gone = Promise.allSettled(places.map(async (place) => (await place).destroy()));
  await Promise.race([gone, late.promise]).catch(() => undefined);
  late.cancel();
}

function timeOut(
  env: Bounds['env'],
  limit: number,
  text: string,
): { promise: Promise<never>; cancel(): void } {
  let timer: Timer | undefined;
  const promise = new Promise<never>((_, reject) => {
    timer = env.setTimer(limit, () => {
      reject(new CutShort('time', text));
    });
  });
  return { promise, cancel: () => timer?.cancel() };
}
