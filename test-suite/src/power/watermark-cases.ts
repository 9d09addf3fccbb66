/** The watermark is worth what survives of it: that of a vote at once, that of other writes within the stated lag. */
import assert from 'node:assert/strict';
import type { HardState } from '@balsa/raft-core';
import type { CaseContext, ConformanceCase } from '../case.ts';
import { makePlan, type Lane, type PlanOptions } from '../child/plan.ts';
import { seededRandom } from '../child/random.ts';
import { seedOf } from '../replay.ts';
import { Disk, lost, type Tree } from './disk.ts';
import { Looker } from './judge.ts';
import { beginUnjudged, withoutMapped, type Recorded } from './recording.ts';

/** Votes that are tried. */
const votesWanted = 4;

/** A larger lag takes too many writes to try. */
export const largestLag: number = 4096;

/** Steps of one lane that are lost together, by their ids. */
interface Span {
  readonly first: number;
  readonly last: number;
}

/** Those that write a new term or a new vote; those of a vote alone first, because they are few. */
function votesOf(options: PlanOptions): Span[] {
  const known = new Map<Lane, HardState>();
  const [votes, terms]: [Span[], Span[]] = [[], []];
  for (const { id, lane, action } of makePlan(options).rounds.flat()) {
    if (action.kind !== 'write' || action.hardState === undefined) continue;
    const { term, vote } = action.hardState;
    const before = known.get(lane);
    const span = { first: id, last: id };
    if (before !== undefined && term > before.term) terms.push(span);
    else if (before !== undefined && vote !== before.vote) votes.push(span);
    known.set(lane, action.hardState);
  }
  return [...votes.slice(0, votesWanted / 2), ...terms].slice(0, votesWanted);
}

/** Of the plain writes at the end of a plan. */
function plainIds({ plan }: Recorded): number[] {
  const steps = makePlan(plan).rounds.flat();
  return steps.slice(-(plan.plain ?? 0)).map(({ id }) => id);
}

/** Right behind the vote, further on, and where the seed says. */
function longerThan(lag: number, ids: readonly number[], seed: number): Span[] {
  const starts = [0, seededRandom(seed).int(1, lag), lag + 1];
  return starts.map((start): Span => ({ first: ids[start] ?? 0, last: ids[start + lag] ?? 0 }));
}

/** What a power cut leaves just before the first step of each span begins, and right after the last was acknowledged. */
function* around(
  recorded: Recorded,
  spans: readonly Span[],
): Generator<{ span: Span; before: Tree; after: Tree }> {
  const { operations, directory, start } = recorded;
  const disk = new Disk(directory, start);
  const began = new Map<Span, Tree>();
  for (const operation of operations) {
    disk.apply(operation);
    if (operation.op !== 'mark') continue;
    const [, word, number] = /^(will|did) (\d+)$/m.exec(operation.text) ?? [];
    const id = Number(number);
    for (const span of spans) {
      if (id !== (word === 'will' ? span.first : span.last)) continue;
      const tree = withoutMapped(recorded, disk.after(lost));
      const before = began.get(span);
      if (word === 'will') began.set(span, tree);
      else if (before !== undefined) yield { span, before, after: tree };
    }
  }
}

/** Whether some file of the later time gives away, among those of the earlier time, that what came between is missing. */
async function isNoticed(looker: Looker, before: Tree, after: Tree): Promise<boolean> {
  for (const [path, bytes] of after) {
    if (bytes === undefined || before.get(path)?.equals(bytes) === true) continue;
    const look = await looker.look(new Map([...before, [path, bytes]]));
    if ('failed' in look && look.code === 'STORE_ACKNOWLEDGED_WRITE_LOST') return true;
  }
  return false;
}

/** Rejects when the loss of a span goes unsaid after a power cut right behind it. */
async function noticesEach(
  context: CaseContext,
  recorded: Recorded,
  spans: readonly Span[],
  what: (span: Span) => string,
): Promise<void> {
  const { plan } = recorded;
  let tried = 0;
  await Looker.with({ context, plan }, async (looker) => {
    for (const { span, before, after } of around(recorded, spans)) {
      tried++;
      assert.ok(
        await isNoticed(looker, before, after),
        `a power cut right after ${what(span)}, which is then lost: no file tells that it was there (seed ${String(seedOf(context.options))})`,
      );
    }
  });
  assert.equal(tried, spans.length, 'not everything that was to be lost was written');
  assert.ok(tried > 0, 'nothing was tried');
}

/** Ends the case for a store that says itself that it has no watermark. */
export async function needLag(context: CaseContext, largest: number = Infinity): Promise<number> {
  const { watermarkLag } = (await context.engine()).capabilities;
  await context.closeEngine();
  if (watermarkLag === Infinity)
    context.notApplicable('the store says that it never notices a loss (watermarkLag: Infinity)');
  if (watermarkLag > largest)
    context.notApplicable(`the stated lag of ${String(watermarkLag)} writes takes too many writes to try`);
  return watermarkLag;
}

export const watermarkCases: readonly ConformanceCase[] = [
  {
    id: 'power/watermark-survives-with-a-vote',
    title: 'after a power cut, too, the loss of the vote that was acknowledged last is noticed at open',
    level: 'power',
    needs: ['files', 'child'],
    async run(context) {
      await needLag(context);
      const recorded = await beginUnjudged(context, { salt: 5, rounds: 24 });
      await noticesEach(
        context,
        recorded,
        votesOf(recorded.plan),
        ({ last }) => `the vote of step ${String(last)}`,
      );
    },
  },
  {
    id: 'power/watermark-trails-within-its-lag',
    title:
      'after a power cut, too, the loss of more acknowledged writes than watermarkLag is noticed at open',
    level: 'power',
    needs: ['files', 'child'],
    async run(context) {
      const lag = await needLag(context, largestLag);
      // The process dies in the middle of the last writes: what it had not synced counts on in the next one.
      const plain = 2 * (lag + 1);
      const diesAfter = lag + 1 + Math.ceil(lag / 2);
      const recorded = await beginUnjudged(context, { salt: 6, rounds: 0, plain, diesAfter });
      const ids = plainIds(recorded);
      const died = ids[diesAfter] ?? 0;
      await noticesEach(
        context,
        recorded,
        longerThan(lag, ids, seedOf(context.options)),
        ({ first, last }) =>
          `the acknowledgement of all of steps ${String(first)} to ${String(last)}, ${String(lag + 1)} writes without a vote where watermarkLag is ${String(lag)}${first < died && died <= last ? ', with a death of the process among them' : ''}`,
      );
    },
  },
];
