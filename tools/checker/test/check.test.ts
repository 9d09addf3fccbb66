import { describe, expect, test } from 'vitest';
import { checkHistory, kvModel, type CheckResult, type Operation, type Value } from '../src/index.ts';

let nextClient = 0;

function did(op: string, input: Value, output: Value, call: number, end: number, key = 'k'): Operation {
  return { client: ++nextClient, op, key, input, output, call, return: end };
}

function unknown(op: string, input: Value, call: number, key = 'k'): Operation {
  return { client: ++nextClient, op, key, input, output: undefined, call, return: Infinity };
}

function verdict(...operations: Operation[]): CheckResult['verdict'] {
  return checkHistory(operations, kvModel).verdict;
}

describe('histories known to be right', () => {
  test('an empty one', () => {
    expect(verdict()).toBe('ok');
  });

  test('a read beside a write may see the value before or the value after', () => {
    for (const seen of ['a', 'b']) {
      expect(
        verdict(did('set', 'a', null, 0, 1), did('set', 'b', null, 2, 9), did('get', null, seen, 3, 4)),
      ).toBe('ok');
    }
  });

  test('two reads beside a write may see old, then new', () => {
    expect(
      verdict(
        did('set', 'a', null, 0, 1),
        did('set', 'b', null, 2, 9),
        did('get', null, 'a', 3, 4),
        did('get', null, 'b', 5, 6),
      ),
    ).toBe('ok');
  });

  test('an unknown write may take effect long after it was given up', () => {
    expect(
      verdict(
        unknown('set', 'late', 0),
        did('set', 'a', null, 5, 6),
        did('get', null, 'a', 7, 8),
        did('get', null, 'late', 9, 10),
        did('get', null, 'late', 11, 12),
      ),
    ).toBe('ok');
  });

  test('an unknown write may never take effect', () => {
    expect(verdict(unknown('set', 'never', 0), did('get', null, null, 5, 6))).toBe('ok');
  });

  test('operations that only touch in time are taken to overlap', () => {
    expect(verdict(did('set', 'a', null, 0, 5), did('get', null, null, 5, 6))).toBe('ok');
  });

  test('every operation of the model, one after another', () => {
    expect(
      verdict(
        did('setnx', 'a', true, 0, 1),
        did('setnx', 'b', false, 2, 3),
        did('cas', ['a', '7'], true, 4, 5),
        did('cas', ['a', '8'], false, 6, 7),
        did('incr', 5, 12, 8, 9),
        did('append', '0', 3, 10, 11),
        did('getset', 'x', '120', 12, 13),
        did('incr', 1, 'not an integer', 14, 15),
        did('setxx', 'y', true, 16, 17),
        did('del', null, 1, 18, 19),
        did('setxx', 'z', false, 20, 21),
        did('del', null, 0, 22, 23),
        did('get', null, null, 24, 25),
      ),
    ).toBe('ok');
  });

  test('a hundred unknown increments that nobody told apart are decided quickly', () => {
    const operations = Array.from({ length: 100 }, (_, i) => unknown('incr', 1, i));
    operations.push(did('get', null, '37', 200, 201), did('get', null, '100', 202, 203));
    const result = checkHistory(operations, kvModel, { budget: 100_000 });
    expect(result.verdict).toBe('ok');
  });

  test('keys are judged apart', () => {
    expect(verdict(did('set', 'a', null, 0, 1, 'x'), did('get', null, null, 2, 3, 'y'))).toBe('ok');
  });
});

describe('histories known to be wrong', () => {
  test('a stale read', () => {
    expect(
      verdict(did('set', 'a', null, 0, 1), did('set', 'b', null, 2, 3), did('get', null, 'a', 4, 5)),
    ).toBe('violation');
  });

  test('a lost acknowledged write', () => {
    expect(verdict(did('set', 'a', null, 0, 1), did('get', null, null, 2, 3))).toBe('violation');
  });

  test('a value that nobody wrote', () => {
    expect(verdict(did('set', 'a', null, 0, 1), did('get', null, 'ghost', 0, 9))).toBe('violation');
  });

  test('new, then old, beside one write', () => {
    expect(
      verdict(
        did('set', 'a', null, 0, 1),
        did('set', 'b', null, 2, 9),
        did('get', null, 'b', 3, 4),
        did('get', null, 'a', 5, 6),
      ),
    ).toBe('violation');
  });

  test('two readers that see two concurrent writes in opposite orders', () => {
    expect(
      verdict(
        did('set', 'a', null, 0, 20),
        did('set', 'b', null, 0, 20),
        did('get', null, 'a', 1, 2),
        did('get', null, 'b', 3, 4),
        did('get', null, 'a', 5, 6),
      ),
    ).toBe('violation');
  });

  test('an increment that took effect twice', () => {
    expect(verdict(did('incr', 1, 1, 0, 1), did('incr', 1, 3, 2, 3))).toBe('violation');
  });

  test('an unknown increment that took effect twice', () => {
    expect(verdict(unknown('incr', 1, 0), did('get', null, '2', 5, 6))).toBe('violation');
  });

  test('two clients who both got the lock', () => {
    expect(verdict(did('setnx', 'me', true, 0, 5), did('setnx', 'you', true, 1, 6))).toBe('violation');
  });

  test('an unknown write that shows before it was called', () => {
    expect(verdict(did('get', null, 'a', 0, 1), unknown('set', 'a', 2))).toBe('violation');
  });

  test('an unknown write that vanishes after it was seen', () => {
    expect(
      verdict(
        did('set', 'a', null, 0, 1),
        unknown('set', 'b', 2),
        did('get', null, 'b', 3, 4),
        did('get', null, 'a', 5, 6),
      ),
    ).toBe('violation');
  });

  test('the explanation names the operation, the possible states and what was pending', () => {
    const result = checkHistory(
      [did('set', 'a', null, 0, 1), unknown('set', 'c', 0), did('get', null, 'b', 2, 3)],
      kvModel,
    );
    if (result.verdict !== 'violation') throw new Error(result.verdict);
    const text = result.explanation.join('\n');
    expect(result.operation.output).toBe('b');
    expect(text).toContain('get k -> "b" [2, 3]');
    expect(text).toContain('could only have been: "a"');
    expect(text).toContain('set k "c" -> outcome unknown');
  });
});

test('a search that outgrows its budget says so, and does not guess', () => {
  const operations = Array.from({ length: 14 }, (_, i) => did('set', `v${i}`, null, 0, 100));
  operations.push(did('get', null, 'ghost', 200, 201));
  const small = checkHistory(operations, kvModel, { budget: 1000 });
  expect(small.verdict).toBe('undecided');
  expect(small.explored).toBeLessThanOrEqual(1000);
});

test('a return before the call is refused', () => {
  expect(() => verdict(did('get', null, null, 5, 4))).toThrow(/before its call/);
});
