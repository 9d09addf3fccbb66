import { describe, expect, test } from 'vitest';
import { Turns } from '@balsa/storage-kit';

/** Something that is under way until it is told to end. */
function held(log: string[], name: string) {
  let end: (() => void) | undefined;
  const run = async (): Promise<string> => {
    log.push(`${name} begins`);
    await new Promise<void>((resolve) => {
      end = resolve;
    });
    log.push(`${name} ends`);
    return name;
  };
  return { run, end: () => end?.() };
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('turns', () => {
  test('come one at a time, in the order of the calls, and each gives its own outcome', async () => {
    const turns = new Turns();
    const log: string[] = [];
    const [first, second] = [held(log, 'first'), held(log, 'second')];
    const outcomes = [turns.take(first.run), turns.take(second.run)];
    expect(log, 'nothing begins in the turn of the call').toEqual([]);
    await settle();
    expect(log).toEqual(['first begins']);
    first.end();
    await settle();
    expect(log).toEqual(['first begins', 'first ends', 'second begins']);
    second.end();
    expect(await Promise.all(outcomes)).toEqual(['first', 'second']);
  });

  test('that fail, or throw before they wait, are told of and hold up nobody', async () => {
    const turns = new Turns();
    const rejected = turns.take(() => Promise.reject(new Error('one')));
    const threw = turns.take(() => {
      throw new Error('two');
    });
    const fine = turns.take(async () => 3);
    await expect(rejected).rejects.toThrow('one');
    await expect(threw).rejects.toThrow('two');
    expect(await fine).toBe(3);
  });
});
