/** The door that every operation of a memory engine passes: closed, poisoned, delayed or failed here. */
import { BalsaError, isBalsaError } from '../errors.ts';

/** One operation, as the schedule hook sees it. */
export interface MemoryOperation {
  /** `write`, `entries`, `compactTo`, `snapshot.commit`, `ordered.write`, ... : the contract's names. */
  readonly name: string;
  readonly kind: 'read' | 'write';
  /** Id of the group, or name of the ordered store; empty for the engine's own operations. */
  readonly owner: string;
  /** `before` the effect, or `after` it and before the caller is told. */
  readonly phase: 'before' | 'after';
}

/**
 * Called around each operation's effect; a promise delays it. What it throws fails the operation:
 * a BalsaError of outcome `refused`, thrown before the effect, refuses it and leaves the store usable;
 * anything else makes a write `STORE_UNKNOWN_OUTCOME` (not done when thrown before the effect, done when
 * thrown after it) and poisons the engine, and makes a read `STORE_IO`.
 */
export type MemorySchedule = (operation: MemoryOperation) => void | Promise<void>;

/** One life of an engine, from opening to closing or crashing. */
export interface Life {
  readonly schedule: MemorySchedule | undefined;
  poison: unknown;
  crashed: boolean;
}

export class Gate {
  readonly #life: Life;
  readonly #what: string;
  readonly #owner: string;
  readonly #pending = new Set<Promise<unknown>>();
  #closed = false;

  constructor(life: Life, what: string, owner: string) {
    this.#life = life;
    this.#what = what;
    this.#owner = owner;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Throws when no operation may begin any more. */
  check(): void {
    if (this.#closed || this.#life.crashed) throw new BalsaError('STORE_CLOSED', `${this.#what} is closed`);
    this.#checkPoison();
  }

  /** Runs `effect` in one piece, at the moment the schedule chooses. */
  run<T>(name: string, kind: 'read' | 'write', effect: () => T): Promise<T> {
    const work = this.#work(name, kind, effect);
    const forget = (): boolean => this.#pending.delete(work);
    this.#pending.add(work);
    work.then(forget, forget);
    return work;
  }

  /** Lets nothing in any more, and waits for what is inside. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#pending);
  }

  #checkPoison(): void {
    if (this.#life.poison === undefined) return;
    throw new BalsaError(
      'STORE_POISONED',
      `${this.#what} had a write of unknown outcome; close the engine and open it again`,
      {
        cause: this.#life.poison,
      },
    );
  }

  async #work<T>(name: string, kind: 'read' | 'write', effect: () => T): Promise<T> {
    this.check();
    await this.#pass(name, kind, 'before');
    if (this.#life.crashed) {
      const code = kind === 'write' ? 'STORE_UNKNOWN_OUTCOME' : 'STORE_IO';
      throw new BalsaError(code, `${this.#what} crashed during ${name}`);
    }
    this.#checkPoison();
    const result = effect();
    await this.#pass(name, kind, 'after');
    return result;
  }

  async #pass(name: string, kind: 'read' | 'write', phase: 'before' | 'after'): Promise<void> {
    try {
      await this.#life.schedule?.({ name, kind, owner: this.#owner, phase });
    } catch (cause) {
      if (phase === 'before' && isBalsaError(cause) && cause.outcome === 'refused') throw cause;
      if (kind === 'read') throw new BalsaError('STORE_IO', `${name} of ${this.#what} failed`, { cause });
      const error = new BalsaError(
        'STORE_UNKNOWN_OUTCOME',
        `${name} of ${this.#what} failed after bytes may have left`,
        {
          cause,
        },
      );
      this.#life.poison = error;
      throw error;
    }
  }
}
