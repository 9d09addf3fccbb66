/** One fault at one step, in the child: what the store says, what it does then, and what is there afterwards. */
import { isBalsaError } from '@balsa/raft-core';
import type { FaultScenario, Job } from '../child/job.ts';
import { codeOf } from '../child/observe.ts';
import { Actor } from '../child/perform.ts';
import type { Action, Step } from '../child/plan.ts';
import { ShimControl, type ShimSettings } from '../shim/control.ts';
import { blame, performAll, progressAt, wrongNow, type FaultContext } from './context.ts';

const settings: Readonly<Record<FaultScenario['fault'], ShimSettings>> = {
  'no-space': { spaceLeft: 0 },
  'write-error': { failWrite: 1 },
  'sync-error': { failSync: 1 },
  'short-write': { shortWrite: 1 },
};

/** By what a call tells that something failed behind an earlier one: its own outcome is not known, or it was not begun. */
const lateCodes = ['STORE_UNKNOWN_OUTCOME', 'STORE_POISONED'];

/** Steps that are done after the fault, to see that the store still works. */
const stepsAfter = 8;

type FaultJob = Extract<Job, { kind: 'faults' }>;

/** What the store said to one call: undefined when it succeeded. */
async function answer(run: () => Promise<unknown>): Promise<Error | undefined> {
  try {
    await run();
    return undefined;
  } catch (error) {
    return error instanceof Error
      ? error
      : new Error('rejected with something that is not an Error', { cause: error });
  }
}

export async function runFaults(context: FaultContext<FaultJob>): Promise<void> {
  const { job } = context;
  if (job.control === undefined) throw new Error('faults need the control block of the shim');
  const control = new ShimControl(job.control);
  for (const [i, scenario] of job.scenarios.entries()) {
    control.reset();
    await context.empty();
    const trial = new Trial(context, control, scenario, i % 2 === 0);
    await trial.run().catch((error: unknown) => {
      // What the store says where a correct one says nothing is a judgement; what has no code is a bug of somebody's.
      if (!isBalsaError(error)) throw error;
      blame(
        context,
        `${scenario.fault} in step ${String(scenario.step)}: it does not go on: ${error.code}: ${error.message}`,
      );
    });
    context.say(`tried ${scenario.fault} ${trial.outcome}`);
  }
  control.close();
}

/**
 * Steps that promise nothing durable: a sync that fails meanwhile is one of a store's own, behind some call, and may be
 * told by a later one.
 */
const undurable: readonly Action['kind'][] = ['maintain', 'put'];

class Trial {
  /** Said to the parent: not reached, absorbed, refused or unknown. */
  outcome = 'not-reached';
  readonly #context: FaultContext<FaultJob>;
  readonly #control: ShimControl;
  readonly #scenario: FaultScenario;
  /** Whether to reopen even where the store says that nothing happened. */
  readonly #reopens: boolean;
  readonly #steps: readonly Step[];
  #at: number;
  /** Whether the step was acknowledged: a fault that hits what a store does behind that is told by a later call. */
  #acknowledged = false;
  readonly #actor: Actor;

  constructor(
    context: FaultContext<FaultJob>,
    control: ShimControl,
    scenario: FaultScenario,
    reopens: boolean,
  ) {
    this.#context = context;
    this.#control = control;
    this.#scenario = scenario;
    this.#reopens = reopens;
    this.#steps = context.plan.rounds.flat();
    this.#at = this.#steps.findIndex((step) => step.id === scenario.step);
    this.#actor = new Actor(context.plan, () => context.open());
  }

  get #step(): Step {
    const step = this.#steps[this.#at];
    if (step === undefined) throw new RangeError(`the plan has no step ${String(this.#scenario.step)}`);
    return step;
  }

  async run(): Promise<void> {
    const actor = this.#actor;
    await actor.open();
    await performAll(actor, this.#steps.slice(0, this.#at));
    this.#control.arm(settings[this.#scenario.fault]);
    const error = await answer(() => actor.perform(this.#step));
    this.#control.disarm();
    if (error === undefined) {
      this.#succeeded();
      return this.#goOn(this.#at + 1);
    }
    if (isBalsaError(error) && error.outcome === 'unknown' && error.cause === undefined)
      this.#blame(`${error.code} without a cause: what the system below said of it is lost`);
    if (!isBalsaError(error)) this.#blame(`it rejected with something that has no code: ${codeOf(error)}`);
    if (codeOf(error) === 'STORE_UNKNOWN_OUTCOME') return this.#unknown();
    return this.#refused(error);
  }

  /** Asked when it matters: threads of the store may have been hit at the very end. */
  get #came(): boolean {
    return this.#control.get('injected') > 0;
  }

  #succeeded(): void {
    this.#acknowledged = true;
    const came = this.#came;
    this.outcome = came ? 'absorbed' : 'not-reached';
    if (came && this.#scenario.fault === 'sync-error' && !undurable.includes(this.#step.action.kind)) {
      this.#blame('a sync failed, and the step was acknowledged');
    }
  }

  /** Nothing happened: the store is usable, and what was refused never appears. */
  async #refused(error: unknown): Promise<void> {
    this.outcome = 'refused';
    if (isBalsaError(error) && error.outcome !== 'refused')
      this.#blame(`${error.code} is not the code of an unknown outcome of a store`);
    if (this.#reopens) {
      await this.#reopen(0);
    } else {
      const again = await answer(() => this.#actor.perform(this.#step));
      if (again !== undefined) {
        this.#blame(
          `refused with ${codeOf(error)}, it must stay usable, but the same step again gave ${codeOf(again)}`,
        );
        await this.#actor.close().catch(() => undefined);
        return;
      }
      return this.#goOn(this.#at + 1);
    }
    await this.#actor.perform(this.#step);
    return this.#goOn(this.#at + 1);
  }

  /** Whether it happened is not known: the store is poisoned, and reopened it has all of it or nothing. */
  async #unknown(): Promise<void> {
    this.outcome = 'unknown';
    const again = await answer(() => this.#actor.perform(this.#step));
    if (codeOf(again) !== 'STORE_POISONED') {
      this.#blame(
        `after an unknown outcome every call rejects with STORE_POISONED, but the same step again ${again === undefined ? 'succeeded' : `gave ${codeOf(again)}`}`,
      );
    }
    const happened = await this.#reopen(1);
    if (!happened) await this.#actor.perform(this.#step);
    return this.#goOn(this.#at + 1);
  }

  /** Closes, judges what is there, and opens again. True when the step in flight turned out to have happened. */
  async #reopen(inFlight: number): Promise<boolean> {
    await this.#actor.close().catch(() => undefined);
    const { plan } = this.#context;
    const wrong = await wrongNow(this.#context, progressAt(plan, this.#at, inFlight));
    if (wrong !== undefined) this.#blame(wrong);
    const { kind } = this.#step.action;
    const repeatable = kind === 'create' || kind === 'receive' || this.#step.lane === 'kv';
    // What can be done twice is done twice.
    const happened =
      inFlight > 0 &&
      !repeatable &&
      (await wrongNow(this.#context, progressAt(plan, this.#at + 1))) === undefined;
    await this.#actor.open();
    await this.#catchUp();
    return happened;
  }

  /** Writes of the ordered store that were not synced may be gone: they come again from the log, as in a node. */
  async #catchUp(): Promise<void> {
    const found = this.#actor.appliedAtOpen;
    for (const step of this.#steps.slice(0, this.#at)) {
      if ('appliedIndex' in step.action && step.action.appliedIndex > found) await this.#actor.perform(step);
    }
  }

  /** The rest of the plan, or some of it, succeeds, and is there. */
  async #goOn(from: number): Promise<void> {
    const to = Math.min(this.#steps.length, from + stepsAfter);
    for (let at = from; at < to; at++) {
      const step = this.#steps[at];
      const error = step === undefined ? undefined : await answer(() => this.#actor.perform(step));
      if (error === undefined) continue;
      if (!this.#isLateTelling(error)) throw error;
      this.#acknowledged = false;
      this.#at = at;
      return this.#unknown();
    }
    // Closing is the last call that may tell.
    const error = await answer(() => this.#actor.close());
    if (error !== undefined && !(this.#acknowledged && this.#came)) throw error;
    const wrong = await wrongNow(this.#context, progressAt(this.#context.plan, to));
    if (wrong !== undefined) this.#blame(`after the fault was over and the plan went on: ${wrong}`);
  }

  /** The first word of a fault behind the acknowledgement; the store is poisoned from here on. */
  #isLateTelling(error: Error): boolean {
    return this.#acknowledged && this.#came && lateCodes.includes(codeOf(error));
  }

  #blame(what: string): void {
    const { id, lane, action } = this.#step;
    blame(
      this.#context,
      `${this.#scenario.fault} in step ${String(id)} (${action.kind} of ${lane}): ${what}`,
    );
  }
}
