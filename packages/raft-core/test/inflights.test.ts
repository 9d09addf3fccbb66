import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Inflights } from '../src/tracker/inflights.ts';

interface Message {
  readonly index: number;
  readonly bytes: number;
}

/** The same window as a plain array. */
class Model {
  messages: Message[] = [];
  size: number;
  readonly maxBytes: number;
  constructor(size: number, maxBytes: number) {
    this.size = size;
    this.maxBytes = maxBytes;
  }
  get bytes(): number {
    return this.messages.reduce((sum, m) => sum + m.bytes, 0);
  }
  get full(): boolean {
    return this.messages.length >= this.size || (this.maxBytes > 0 && this.bytes >= this.maxBytes);
  }
}

type Step =
  | { readonly do: 'add'; readonly gap: number; readonly bytes: number }
  | { readonly do: 'free'; readonly behind: number }
  | { readonly do: 'size'; readonly size: number }
  | { readonly do: 'reset' | 'clone' | 'shrink' };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 10, arbitrary: fc.record({ do: fc.constant('add' as const), gap: fc.nat(3), bytes: fc.nat(9) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('free' as const), behind: fc.nat(12) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('size' as const), size: fc.nat(40) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constantFrom('reset' as const, 'clone' as const, 'shrink' as const) }),
  },
);

describe('the window', () => {
  test('behaves as a plain list of messages, through growth, wrapping and changes of size', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }),
        fc.nat(60),
        fc.array(step, { maxLength: 120 }),
        (size, maxBytes, steps) => {
          let window = new Inflights(size, maxBytes);
          const model = new Model(size, maxBytes);
          let last = 100;
          for (const s of steps) {
            if (s.do === 'add') {
              if (model.full) continue;
              last += s.gap;
              window.add(last, s.bytes);
              model.messages.push({ index: last, bytes: s.bytes });
            } else if (s.do === 'free') {
              window.freeLe(last - s.behind);
              model.messages = model.messages.filter((m) => m.index > last - s.behind);
            } else if (s.do === 'size') {
              window.setSize(s.size);
              model.size = s.size;
            } else if (s.do === 'reset') {
              window.reset();
              model.messages = [];
            } else if (s.do === 'clone') window = window.clone();
            else window.shrink();
            expect([window.count, window.bytes, window.full()]).toEqual([
              model.messages.length,
              model.bytes,
              model.full,
            ]);
          }
        },
      ),
      { seed: 20261123, numRuns: 1000 },
    );
  });

  test('refuses a message when it is full', () => {
    const window = new Inflights(1);
    window.add(5, 1);
    expect(() => {
      window.add(6, 1);
    }).toThrow(expect.objectContaining({ code: 'INVARIANT_BROKEN' }));
  });

  test('takes the message that crosses its bound in bytes, and none behind it', () => {
    const window = new Inflights(10, 100);
    window.add(1, 99);
    expect(window.full()).toBe(false);
    window.add(2, 1000);
    expect(window.full()).toBe(true);
    window.freeLe(1);
    expect(window.full()).toBe(true);
    window.freeLe(2);
    expect([window.full(), window.bytes]).toEqual([false, 0]);
  });

  test('a clone goes its own way', () => {
    const window = new Inflights(4);
    window.add(1, 1);
    const copy = window.clone();
    copy.add(2, 1);
    window.freeLe(1);
    expect([window.count, copy.count]).toEqual([0, 2]);
  });

  test('an idle peer with a huge window costs a few bytes, and a busy one gives them back', () => {
    const window = new Inflights(2 ** 31 - 1);
    expect(window.bufferBytes).toBeLessThan(1024);
    for (let i = 1; i <= 1000; i++) window.add(i, 1);
    expect(window.bufferBytes).toBeGreaterThan(1024);
    window.freeLe(1000);
    window.shrink();
    expect(window.bufferBytes).toBeLessThan(1024);
    window.add(1001, 1);
    expect(window.count).toBe(1);
  });
});
