/** The watermark is worth what survives of it: that of a vote has to be durable when the vote is. */
import assert from 'node:assert/strict';
import type { HardState } from '@balsa/raft-core';
import type { CaseContext, ConformanceCase } from '../case.ts';
import { makePlan, type Lane, type PlanOptions } from '../child/plan.ts';
import { seedOf } from '../replay.ts';
import { Disk, lost, type Tree } from './disk.ts';
import { Judge } from './judge.ts';
import { begin, withoutMapped, type Recording } from './recording.ts';

/** Votes that are tried. */
const votesWanted = 4;

/** Ids of steps that write a new term or a new vote; those of a vote alone first, because they are few. */
function votesOf(options: PlanOptions): number[] {
  const known = new Map<Lane, HardState>();
  const [votes, terms]: [number[], number[]] = [[], []];
  for (const { id, lane, action } of makePlan(options).rounds.flat()) {
    if (action.kind !== 'write' || action.hardState === undefined) continue;
    const { term, vote } = action.hardState;
    const before = known.get(lane);
    if (before !== undefined && term > before.term) terms.push(id);
    else if (before !== undefined && vote !== before.vote) votes.push(id);
    known.set(lane, action.hardState);
  }
  return [...votes.slice(0, votesWanted / 2), ...terms].slice(0, votesWanted);
}

/** What a power cut leaves just before the step begins, and right after it was acknowledged. */
function* aroundVotes(recording: Recording): Generator<{ id: number; before: Tree; after: Tree }> {
  const { operations, directory, start, plan } = recording;
  const votes = new Set(votesOf(plan));
  const disk = new Disk(directory, start);
  const began = new Map<number, Tree>();
  for (const operation of operations) {
    disk.apply(operation);
    if (operation.op !== 'mark') continue;
    const [, word, number] = /^(will|did) (\d+)$/m.exec(operation.text) ?? [];
    const id = Number(number);
    if (!votes.has(id)) continue;
    const tree = withoutMapped(recording, disk.after(lost));
    const before = began.get(id);
    if (word === 'will') began.set(id, tree);
    else if (before !== undefined) yield { id, before, after: tree };
  }
}

/** Whether some file of the later time gives away, among those of the earlier time, that the vote is missing. */
async function isNoticed(judge: Judge, before: Tree, after: Tree): Promise<boolean> {
  for (const [path, bytes] of after) {
    if (bytes === undefined || before.get(path)?.equals(bytes) === true) continue;
    const look = await judge.look(new Map([...before, [path, bytes]]));
    if ('failed' in look && look.code === 'STORE_ACKNOWLEDGED_WRITE_LOST') return true;
  }
  return false;
}

export const watermarkSurvives: ConformanceCase = {
  id: 'power/watermark-survives-with-a-vote',
  title: 'after a power cut, too, the loss of the vote that was acknowledged last is noticed at open',
  level: 'power',
  needs: ['files', 'child'],
  async run(context: CaseContext) {
    const { watermarkLag } = (await context.engine()).capabilities;
    await context.closeEngine();
    if (watermarkLag === Infinity)
      context.notApplicable('the store says that it never notices a loss (watermarkLag: Infinity)');
    const recording = await begin(context, 5, 24);
    const seed = seedOf(context.options);
    let tried = 0;
    await Judge.with({ context, ...recording, seed }, async (judge) => {
      for (const { id, before, after } of aroundVotes(recording)) {
        tried++;
        assert.ok(
          await isNoticed(judge, before, after),
          `a power cut right after the vote of step ${String(id)}, which is then lost: no file tells that it was there (seed ${String(seed)})`,
        );
      }
    });
    assert.ok(tried > 0, 'no vote was tried');
  },
};
