/** What a store may be found with after a plan was cut short, by the reference model. */
import type { HardState } from '@balsa/raft-core';
import { openMemoryEngine, createMemoryDisk } from '@balsa/raft-core/memory';
import { identityText, observeGroup, observeOrdered, type GroupSight, type Sight } from './observe.ts';
import { Actor, orderedName } from './perform.ts';
import { groupLanes, type Lane, type Plan, type Step } from './plan.ts';

/** How far a lane came: steps that began and steps that were acknowledged, counted within the lane. */
export interface LaneProgress {
  readonly began: number;
  readonly done: number;
}

export type Progress = Readonly<Record<Lane, LaneProgress>>;

interface LaneStates {
  readonly steps: Step[];
  /** State after so many steps; one more than there are steps. */
  readonly groups: GroupSight[];
  readonly texts: string[];
}

export interface Judgement {
  /** Acknowledged writes of which a prefix may be missing, as the store declares (`watermarkLag`); 0 after a power cut. Infinity: anything, unsaid. */
  readonly mayLose?: number;
  /**
   * What may be missing of the snapshots. Of damaged ones: those without which an intact one still reaches the boundary
   * of the log, if one did before. Where a whole file is gone, its snapshot, because nothing else need name it. Default
   * nothing.
   */
  readonly snapshots?: 'may be damaged' | 'may vanish';
  /** What an opening after the last step reported: nothing older will do. */
  readonly reported?: Sight;
}

export class Expected {
  readonly plan: Plan;
  readonly #lanes: ReadonlyMap<Lane, LaneStates>;

  private constructor(plan: Plan, lanes: ReadonlyMap<Lane, LaneStates>) {
    this.plan = plan;
    this.#lanes = lanes;
  }

  /** Runs the plan on the memory engine and remembers each lane after each of its steps. */
  static async of(plan: Plan): Promise<Expected> {
    const disk = createMemoryDisk();
    const actor = new Actor(plan, async () => openMemoryEngine({ disk }));
    const lanes = new Map<Lane, LaneStates>();
    await actor.open();
    for (const lane of ['engine', ...groupLanes, 'kv'] as const) {
      lanes.set(lane, { steps: [], groups: [], texts: [] });
      await remember(actor, lanes, lane, plan);
    }
    for (const step of plan.rounds.flat()) {
      await actor.perform(step);
      lanes.get(step.lane)?.steps.push(step);
      await remember(actor, lanes, step.lane, plan);
    }
    await actor.close();
    return new Expected(plan, lanes);
  }

  /** Every step that began and every one that was acknowledged, as the process announced them. */
  progress(lines: Iterable<string>): Progress {
    const counts = new Map<Lane, { began: number; done: number }>();
    const steps = this.plan.rounds.flat();
    for (const line of lines) {
      const [word, number] = line.split(' ');
      if (word !== 'will' && word !== 'did') continue;
      const lane = steps[Number(number)]?.lane;
      if (lane === undefined)
        throw new RangeError(`the process announced a step that the plan has not: ${line}`);
      const count = counts.get(lane) ?? { began: 0, done: 0 };
      if (word === 'will') count.began++;
      else count.done++;
      counts.set(lane, count);
    }
    const of = (lane: Lane): LaneProgress => counts.get(lane) ?? { began: 0, done: 0 };
    return { engine: of('engine'), a: of('a'), b: of('b'), kv: of('kv') };
  }

  /** All steps done. */
  get complete(): Progress {
    const of = (lane: Lane): LaneProgress => {
      const count = this.#lane(lane).steps.length;
      return { began: count, done: count };
    };
    return { engine: of('engine'), a: of('a'), b: of('b'), kv: of('kv') };
  }

  /** What is wrong with what was found, in words; undefined when it is legal. */
  wrong(sight: Sight, progress: Progress, judgement: Judgement = {}): string | undefined {
    const findings: string[] = [];
    const add = (finding: string | undefined): void => {
      if (finding !== undefined) findings.push(finding);
    };
    const { mayLose = 0 } = judgement;
    add(
      this.#wrongIdentity(
        sight.identity,
        mayLose === Infinity ? { ...progress.engine, done: 0 } : progress.engine,
      ),
    );
    for (const lane of groupLanes) {
      const group = sight.groups[lane];
      if (group === undefined) continue;
      const reported = judgement.reported?.groups[lane];
      const reached = reported === undefined ? progress[lane] : this.#reached(lane, reported, progress[lane]);
      add(this.#wrongGroup(lane, group, reached, judgement));
    }
    if (sight.ordered !== undefined)
      add(this.#wrongOrdered(sight.ordered, progress.kv, mayLose === Infinity));
    return findings.length === 0 ? undefined : findings.join('\n');
  }

  /** A step that an opening reported is as good as acknowledged. */
  #reached(lane: Lane, reported: GroupSight, progress: LaneProgress): LaneProgress {
    const { groups } = this.#lane(lane);
    const matches = (one: GroupSight): boolean =>
      one.text === reported.text && one.snapshots.every((text) => reported.snapshots.includes(text));
    const at = groups.slice(0, progress.began + 1).findLastIndex(matches);
    return { began: progress.began, done: Math.max(progress.done, at) };
  }

  #lane(lane: Lane): LaneStates {
    const found = this.#lanes.get(lane);
    if (found === undefined) throw new RangeError(`no lane ${lane}`);
    return found;
  }

  /** The identity after all steps. */
  get identity(): string {
    return this.#lane('engine').texts.at(-1) ?? 'none';
  }

  /** Of a log that can be read in part: the state has to be legal, and each entry one of that state. */
  wrongPart(
    lane: string,
    state: string,
    entries: readonly string[],
    progress: Progress,
    mayLose: number,
  ): string | undefined {
    if (lane !== 'a' && lane !== 'b') return `no lane ${lane}`;
    const { groups, steps } = this.#lane(lane);
    const oldest = oldestLegal(steps, progress[lane], mayLose);
    const legal = groups
      .slice(oldest, progress[lane].began + 1)
      .filter((one) => one.text.startsWith(`${state}; `));
    if (legal.length === 0) return `group ${lane}: reports a state that it must not have: ${state}`;
    const foreign = entries.filter((text) => !legal.some((one) => one.entries?.includes(text) === true));
    return foreign.length === 0
      ? undefined
      : `group ${lane}: serves entries that are not its own: ${foreign.join('; ')}`;
  }

  #wrongIdentity(found: string, progress: LaneProgress): string | undefined {
    const { texts } = this.#lane('engine');
    const legal = texts.slice(progress.done, progress.began + 1);
    if (legal.includes(found)) return undefined;
    return `${progress.done > 0 ? 'the acknowledged identity is lost' : 'identity'}: found ${found}, legal ${legal.join(' or ')}`;
  }

  #wrongGroup(
    lane: Lane,
    found: GroupSight,
    progress: LaneProgress,
    judgement: Judgement,
  ): string | undefined {
    const { groups, steps } = this.#lane(lane);
    const { mayLose = 0, snapshots } = judgement;
    const oldest = oldestLegal(steps, progress, mayLose);
    const legal = groups.slice(oldest, progress.began + 1);
    const at = legal.findIndex((one) => one.text === found.text);
    if (at < 0) {
      const where = groups.findIndex((one) => one.text === found.text);
      const what =
        where < 0
          ? 'no state that it ever had'
          : where < progress.done
            ? `the state after its step ${String(where)}: ${String(progress.done - where)} acknowledged steps are lost (${steps.slice(where, progress.done).map(stepText).join(', ')})`
            : `the state after its step ${String(where)}, which had not begun`;
      return `group ${lane}: ${what}\n  found: ${found.text}\n  legal: ${legal.map((one) => one.text).join('\n     or: ')}`;
    }
    return wrongSnapshots(lane, found, groups, { oldest, progress, may: snapshots });
  }

  /** Never older than what a sync made durable, whatever happened to the files, unless the store says that it never notices. */
  #wrongOrdered(found: string, progress: LaneProgress, mayRewind: boolean): string | undefined {
    const { texts, steps } = this.#lane('kv');
    let oldest = progress.done;
    while (oldest > 0 && (mayRewind || !isSync(steps[oldest - 1]))) oldest--;
    const legal = texts.slice(oldest, progress.began + 1);
    if (legal.includes(found)) return undefined;
    return `ordered store: neither of the states after its steps ${String(oldest)} to ${String(progress.began)}\n  found: ${found}\n  legal: ${legal.join('\n     or: ')}`;
  }
}

function wrongSnapshots(
  lane: Lane,
  found: GroupSight,
  groups: readonly GroupSight[],
  {
    oldest,
    progress,
    may,
  }: {
    readonly oldest: number;
    readonly progress: LaneProgress;
    readonly may: Judgement['snapshots'];
  },
): string | undefined {
  // What was pruned may linger; what was never written must not be there; what no step in flight prunes must be.
  const known = new Set(groups.slice(0, progress.began + 1).flatMap((one) => one.snapshots));
  const foreign = found.snapshots.filter((text) => !known.has(text));
  if (foreign.length > 0) return `group ${lane}: snapshots that were never made: ${foreign.join('; ')}`;
  const sure = groups.slice(oldest, progress.began + 1).map((one) => new Set(one.snapshots));
  const needed = [...(sure[0] ?? [])].filter((text) => sure.every((one) => one.has(text)));
  const missing = needed.filter((text) => !found.snapshots.includes(text));
  if (missing.length === 0 || may === 'may vanish') return undefined;
  if (may === 'may be damaged' && (reaches(found) || !reaches({ ...found, snapshots: needed })))
    return undefined;
  return `group ${lane}: acknowledged snapshots are missing: ${missing.join('; ')}`;
}

/** Whether a snapshot reaches the boundary of the log, so that nothing between the two is missing. */
function reaches({ text, snapshots }: GroupSight): boolean {
  const boundary = Number(/boundary (\d+)@/.exec(text)?.[1]);
  return boundary === 0 || snapshots.some((one) => Number(/ (\d+)@/.exec(one)?.[1]) >= boundary);
}

/**
 * The oldest state that a store may be found in which loses at most so many steps, and none that changes a vote. A store
 * that says that it never notices a loss may be found at its beginning.
 */
function oldestLegal(steps: readonly Step[], { done }: LaneProgress, mayLose: number): number {
  if (mayLose === Infinity) return 0;
  let oldest = done;
  while (oldest > 0 && done - oldest < mayLose && !changesVote(steps, oldest - 1)) oldest--;
  return oldest;
}

function isSync(step: Step | undefined): boolean {
  return step?.action.kind === 'sync' || step?.action.kind === 'restore';
}

/** Whether step `at` of a lane changes term or vote, so that its loss must be noticed whatever the lag. */
function changesVote(steps: readonly Step[], at: number): boolean {
  const hardStateOf = (step: Step | undefined): HardState | undefined =>
    step?.action.kind === 'write' ? step.action.hardState : undefined;
  const now = hardStateOf(steps[at]);
  if (now === undefined) return false;
  const before = hardStateOf(steps.slice(0, at).findLast((step) => hardStateOf(step) !== undefined));
  return before?.term !== now.term || before.vote !== now.vote;
}

export function stepText(step: Step): string {
  return `${String(step.id)} ${step.lane} ${step.action.kind}`;
}

async function remember(actor: Actor, lanes: Map<Lane, LaneStates>, lane: Lane, plan: Plan): Promise<void> {
  const states = lanes.get(lane);
  if (states === undefined) return;
  if (lane === 'engine') states.texts.push(identityText(await actor.engine.identity()));
  else if (lane === 'kv') {
    if (plan.orderedStore) states.texts.push(await observeOrdered(actor.engine.orderedStore(orderedName)));
  } else {
    const { storage, state } = await actor.reopenGroup(lane);
    states.groups.push(await observeGroup(storage, state, true));
  }
}
