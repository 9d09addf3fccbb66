import type { Change } from './memory-target.ts';

/** A store with one bug, and the case that has to notice it. */
export interface Mutant {
  readonly bug: string;
  /** Where a real store had it, or whose tests guard against it. */
  readonly cite: string;
  readonly killer: string;
  /** Called once per place; what it returns changes every engine opened there. */
  readonly change: () => Change;
}
