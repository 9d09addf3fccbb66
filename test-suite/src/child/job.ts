/** What a child process is told to do. Passed as JSON in an environment variable. */
import type { ChildOpener } from '../target.ts';
import type { PlanOptions } from './plan.ts';

export const jobVariable = 'BALSA_CHILD_JOB';

/** What a child of kind `look` is asked for when it is to write something as well. */
export const goOnRequest = 'look and go on';

/** A fault to inject at one step of a plan. */
export interface FaultScenario {
  readonly fault: 'no-space' | 'write-error' | 'sync-error' | 'short-write';
  /** Id of the step before which it is armed. */
  readonly step: number;
}

export type Job = {
  readonly opener: ChildOpener;
  readonly directory: string;
  /** Path of the shim's control block. */
  readonly control?: string | undefined;
} & (
  | {
      readonly kind: 'run';
      readonly plan: PlanOptions;
      /** The round that it begins with, if not the first. */
      readonly from?: number;
      /** A round before which it ends without closing. */
      readonly diesBefore?: number;
    }
  /** Opens everything, says what it saw, and ends without closing. */
  | { readonly kind: 'recover'; readonly plan: PlanOptions }
  /** Opens, looks, closes and answers, once for each line of its input; on `goOnRequest` it also writes and looks again. */
  | { readonly kind: 'look'; readonly plan: PlanOptions }
  | { readonly kind: 'survey'; readonly plan: PlanOptions }
  | { readonly kind: 'faults'; readonly plan: PlanOptions; readonly scenarios: readonly FaultScenario[] }
  | { readonly kind: 'reads'; readonly plan: PlanOptions; readonly reads: readonly number[] }
  | { readonly kind: 'permission'; readonly plan: PlanOptions; readonly user: number | undefined }
);
