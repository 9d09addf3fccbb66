import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { WriteOutcome } from '@balsa/cluster';
import { HistoryChecker } from '../src/demo/checker.ts';

/** Operations on one key, written as a timeline. */
class Timeline {
  readonly checker = new HistoryChecker();

  write(id: number, called: number, answered: number, outcome: WriteOutcome = 'acknowledged'): this {
    const write = this.checker.called('k', id, id * 7, called);
    this.checker.answered(write, outcome, answered);
    return this;
  }

  read(id: number | undefined, called: number, answered: number, final = false): this {
    const value = id === undefined ? undefined : { id, checksum: id * 7 };
    this.checker.read('k', value, called, answered, final);
    return this;
  }

  rules(): string[] {
    return this.checker.verdict().violations.map((violation) => violation.rule);
  }
}

describe('histories that can be explained', () => {
  test('writes one after another, the last one read', () => {
    const line = new Timeline().write(1, 0, 1).write(2, 2, 3).read(2, 4, 5, true);
    expect(line.checker.verdict()).toMatchObject({ ok: true, lostWrites: 0 });
  });

  test('either of two concurrent writes may be the last', () => {
    for (const last of [1, 2]) {
      expect(new Timeline().write(1, 0, 5).write(2, 1, 6).read(last, 7, 8, true).checker.verdict().ok).toBe(
        true,
      );
    }
  });

  test('a write of unknown outcome may appear after a later acknowledged write', () => {
    const line = new Timeline().write(1, 0, 1, 'unknown').write(2, 2, 3).read(2, 4, 5).read(1, 6, 7, true);
    expect(line.checker.verdict()).toMatchObject({ ok: true, lostWrites: 0 });
  });

  test('a write of unknown outcome may never appear', () => {
    expect(new Timeline().write(1, 0, 1).write(2, 2, 3, 'unknown').read(1, 4, 5, true).rules()).toEqual([]);
  });

  test('a read beside a write may see the value before it or after it', () => {
    for (const seen of [1, 2]) {
      expect(
        new Timeline().write(1, 0, 1).write(2, 2, 6).read(seen, 3, 4).read(2, 7, 8, true).rules(),
      ).toEqual([]);
    }
  });

  test('absence may be read until the first write is answered', () => {
    expect(new Timeline().read(undefined, 0, 1).write(1, 2, 5).read(undefined, 3, 4).rules()).toEqual([]);
  });
});

describe('histories that cannot be explained', () => {
  test('an acknowledged write is gone at the end', () => {
    const line = new Timeline().write(1, 0, 1).write(2, 2, 3).read(1, 4, 5, true);
    expect(line.checker.verdict()).toMatchObject({ ok: false, lostWrites: 1 });
  });

  test('the key itself is gone at the end', () => {
    const line = new Timeline().write(1, 0, 1).write(2, 2, 3).read(undefined, 4, 5, true);
    expect(line.checker.verdict()).toMatchObject({ ok: false, lostWrites: 2 });
  });

  test('a read returns an overwritten value', () => {
    expect(new Timeline().write(1, 0, 1).write(2, 2, 3).read(1, 4, 5).read(2, 6, 7).rules()).toEqual([
      'no-order',
    ]);
  });

  test('two reads beside one write see it and then do not', () => {
    const line = new Timeline().write(1, 0, 1).write(2, 2, 20).read(2, 3, 4).read(1, 5, 6);
    expect(line.rules()).toEqual(['no-order']);
  });

  test('an unknown write takes effect twice', () => {
    const line = new Timeline()
      .write(1, 0, 1, 'unknown')
      .read(1, 2, 3)
      .write(2, 4, 5)
      .read(2, 6, 7)
      .read(1, 8, 9);
    expect(line.rules()).toContain('no-order');
  });

  test('a refused write is read', () => {
    const line = new Timeline().write(1, 0, 1).write(2, 2, 3, 'refused').read(2, 4, 5);
    expect(line.rules()).toContain('read-of-refused-write');
  });

  test('a value is read that nobody wrote', () => {
    expect(new Timeline().write(1, 0, 1).read(9, 2, 3).rules()).toEqual(['read-of-nothing-written']);
  });

  test('a value is read before it is written', () => {
    expect(new Timeline().write(1, 5, 6).read(1, 1, 2).rules()).toContain('read-before-write');
  });

  test('a value comes back altered', () => {
    const line = new Timeline().write(1, 0, 1);
    line.checker.read('k', { id: 1, checksum: 8 }, 2, 3);
    expect(line.rules()).toEqual(['value-altered']);
  });
});

test('keys are judged each by itself', () => {
  const checker = new HistoryChecker();
  for (const key of ['a', 'b']) checker.answered(checker.called(key, 1, 1, 0), 'acknowledged', 1);
  checker.read('a', { id: 1, checksum: 1 }, 2, 3, true);
  checker.read('b', undefined, 2, 3, true);
  expect(checker.verdict().violations.map((violation) => violation.key)).toEqual(['b']);
});

interface Operation {
  readonly kind: 'write' | 'read';
  /** The value written or read; 0 for absence. */
  readonly id: number;
  readonly called: number;
  readonly answered: number;
  readonly optional: boolean;
}

/** Tries every order that real time allows. */
function hasOrder(rest: readonly Operation[], value: number): boolean {
  if (rest.every((operation) => operation.optional)) return true;
  const bound = Math.min(...rest.map((operation) => operation.answered));
  return rest.some((operation) => {
    if (operation.called >= bound && operation.answered !== bound) return false;
    if (operation.called > bound) return false;
    const others = rest.filter((other) => other !== operation);
    if (operation.kind === 'write') return hasOrder(others, operation.id);
    return operation.id === value && hasOrder(others, value);
  });
}

test('agrees with a search of all orders on small random histories', () => {
  // Distinct times: with ties, whether one operation precedes another is a matter of definition.
  const operation = fc.record({
    kind: fc.constantFrom<Operation['kind']>('write', 'write', 'read'),
    pick: fc.nat(3),
    unknown: fc.boolean(),
  });
  const history = fc.array(operation, { minLength: 1, maxLength: 6 }).chain((operations) =>
    fc.record({
      operations: fc.constant(operations),
      times: fc.shuffledSubarray(
        operations.flatMap((_, i) => [2 * i, 2 * i + 1]),
        { minLength: operations.length * 2 },
      ),
    }),
  );
  let rejected = 0;
  fc.assert(
    fc.property(history, ({ operations, times }) => {
      let nextId = 1;
      const all = operations.map(({ kind, pick, unknown }, i): Operation => {
        const [a, b] = [times[2 * i]!, times[2 * i + 1]!];
        const called = Math.min(a, b);
        const lost = kind === 'write' && unknown;
        const answered = lost ? Infinity : Math.max(a, b);
        return {
          kind,
          id: kind === 'write' ? nextId++ : pick,
          called,
          answered,
          optional: lost,
        };
      });
      const written = new Set(all.filter((one) => one.kind === 'write').map((one) => one.id));
      fc.pre(all.every((one) => one.kind === 'write' || one.id === 0 || written.has(one.id)));
      const checker = new HistoryChecker();
      for (const one of all) {
        if (one.kind !== 'write') continue;
        const write = checker.called('k', one.id, one.id, one.called);
        checker.answered(write, one.optional ? 'unknown' : 'acknowledged', one.answered);
      }
      for (const one of all) {
        if (one.kind !== 'read') continue;
        const value = one.id === 0 ? undefined : { id: one.id, checksum: one.id };
        checker.read('k', value, one.called, one.answered);
      }
      const expected = hasOrder(all, 0);
      if (!expected) rejected++;
      expect(checker.verdict().ok).toBe(expected);
    }),
    { numRuns: 3000, seed: 20_261_123 },
  );
  expect(rejected).toBeGreaterThan(100);
});
