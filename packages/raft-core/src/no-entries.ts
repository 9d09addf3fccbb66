/** The one empty list of entries, so that having none never allocates. */
import type { Entry } from './types.ts';

export const noEntries: readonly Entry[] = Object.freeze([]);
