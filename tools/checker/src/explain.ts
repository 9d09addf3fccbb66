/** Says in words why no order explains a history. */
import type { Model } from './model.ts';
import { describeOperation, isKnown } from './operation.ts';
import type { Effect, SearchResult } from './search.ts';

/** Effects shown before the impossible operation. */
const shownEffects = 12;
const shownStates = 8;
const shownPending = 16;

type Violation<State> = Extract<SearchResult<State>, { verdict: 'violation' }>;

export function explain<State>(model: Model<State>, violation: Violation<State>): readonly string[] {
  const { operation, possible, pending } = violation;
  const states = [...new Set(possible.map(({ state }) => model.describe(state)))];
  const lines = [
    `no order of the operations on ${operation.key} explains this one:`,
    `  ${describeOperation(operation)}`,
    `before what was still pending, ${operation.key} could only have been: ${states.slice(0, shownStates).join(' or ')}` +
      (states.length > shownStates ? ` or ${states.length - shownStates} others` : ''),
  ];
  const path = pathOf(possible[0]?.path);
  if (path.length > 0) {
    lines.push('one order that explains everything up to there ends with:');
    for (const { operation: done, after } of path) {
      lines.push(`  ${describeOperation(done)}   (now ${model.describe(after)})`);
    }
  }
  if (pending.length > 0) {
    lines.push('pending at that moment, none of which makes it possible:');
    const known = pending.filter(isKnown);
    const unknown = pending.filter((one) => !isKnown(one));
    for (const one of [...known, ...unknown].slice(0, shownPending))
      lines.push(`  ${describeOperation(one)}`);
    if (pending.length > shownPending) lines.push(`  and ${pending.length - shownPending} others`);
  }
  return lines;
}

function pathOf<State>(newest: Effect<State> | undefined): Effect<State>[] {
  const path: Effect<State>[] = [];
  for (let one = newest; one !== undefined && path.length < shownEffects; one = one.before) path.push(one);
  return path.reverse();
}
