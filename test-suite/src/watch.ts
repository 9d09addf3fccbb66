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

/** Milliseconds for a case that was cut short to end at its next step; one that hangs takes none. */
const endingLimit = 1_000;

/**
 * Runs `body` on the target. Rejects with `CutShort` when it does not end in time or is stopped; by then its child
 * processes are dead and its places destroyed, as far as they let themselves be. Its next use of a place is refused, so
 * that it makes nothing anew; one that hangs in a call of the store is on its own.
 */
export async function withinBounds<T>(
  target: Target,
  bounds: Bounds,
  body: (target: Target) => Promise<T>,
): Promise<T> {
  const places = new Places(target);
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
  const ended = body(places.target);
  try {
    return await Promise.race([ended, late.promise, stopped]);
  } catch (error) {
    if (error instanceof CutShort) await cleanUp(places, ended, env);
    throw error;
  } finally {
    late.cancel();
    if (stop !== undefined) signal?.removeEventListener('abort', stop);
  }
}

/** The places that were asked for. Remembered from that moment on: a stop may come before they are there. */
class Places {
  readonly target: Target;
  readonly #made: Promise<Harness>[] = [];
  readonly #destroyed = new Set<Harness>();
  #closed = false;

  constructor(target: Target) {
    const { name, abilities, orderedStore } = target;
    this.target = {
      name,
      ...(abilities !== undefined && { abilities }),
      ...(orderedStore !== undefined && { orderedStore }),
      create: async () => {
        this.#assertUsable();
        const place = target.create();
        this.#made.push(place);
        const made = await place;
        // What is no object is for the case to complain of.
        return typeof made === 'object' && (made as Harness | null) !== null ? this.#watched(made) : made;
      },
    };
  }

  /** From here on every use of a place is refused, but its destruction. */
  close(): void {
    this.#closed = true;
  }

  /** All that were not destroyed yet. One that fails to be is the lesser trouble now. */
  async destroy(): Promise<void> {
    await Promise.allSettled(
      this.#made.map(async (place) => {
        const harness = await place;
        if (!this.#destroyed.has(harness)) await harness.destroy();
      }),
    );
  }

  #destroying(harness: Harness): Harness['destroy'] {
    // One that is not there is for the case to complain of.
    const given: unknown = Reflect.get(harness, 'destroy');
    if (typeof given !== 'function') return given as Harness['destroy'];
    return () => {
      this.#destroyed.add(harness);
      return harness.destroy();
    };
  }

  #assertUsable(): void {
    if (this.#closed) throw new CutShort('stopped', 'the case was cut short before this');
  }

  #watched(harness: Harness): Harness {
    return new Proxy(harness, {
      get: (target, name) => {
        if (name === 'destroy') return this.#destroying(target);
        this.#assertUsable();
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
  }
}

async function cleanUp(places: Places, ended: Promise<unknown>, env: Bounds['env']): Promise<void> {
  places.close();
  killChildren();
  await within(env, endingLimit, ended);
  // Those that it started since.
  killChildren();
  await within(env, cleaningLimit, places.destroy());
}

/** Resolves when `work` has settled, in whatever way, or has taken too long. */
async function within(env: Bounds['env'], limit: number, work: Promise<unknown>): Promise<void> {
  const late = timeOut(env, limit, 'what was cut short did not end');
  await Promise.race([work, late.promise]).catch(() => undefined);
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
