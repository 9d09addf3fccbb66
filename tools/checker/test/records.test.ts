import { expect, test } from 'vitest';
import { checkAccount, formatHistory, HistoryRecorder, parseHistory } from '../src/index.ts';

test('a recorder notes calls, returns, unknown outcomes, and forgets what was refused', () => {
  let now = 0;
  const recorder = new HistoryRecorder({ now: () => ++now });
  const set = recorder.invoke({ client: 1, op: 'set', key: 'k', input: 'a' });
  const refused = recorder.invoke({ client: 2, op: 'set', key: 'k', input: 'b' });
  const lost = recorder.invoke({ client: 3, op: 'set', key: 'k', input: 'c' });
  recorder.invoke({ client: 4, op: 'get', key: 'k', input: null });
  set.ok(null);
  refused.refused();
  lost.unknown();
  lost.ok(null);
  expect(recorder.operations()).toEqual([
    { client: 1, op: 'set', key: 'k', input: 'a', output: null, call: 1, return: 5 },
    { client: 3, op: 'set', key: 'k', input: 'c', output: undefined, call: 3, return: Infinity },
    { client: 4, op: 'get', key: 'k', input: null, output: undefined, call: 4, return: Infinity },
  ]);
});

test('a full recorder refuses rather than dropping operations', () => {
  const recorder = new HistoryRecorder({ now: () => 0, maxOperations: 1 });
  recorder.invoke({ client: 1, op: 'get', key: 'k', input: null });
  expect(() => recorder.invoke({ client: 1, op: 'get', key: 'k', input: null })).toThrow(/full/);
});

test('a history survives being written and read', () => {
  const operations = [
    { client: 1, op: 'cas', key: 'k', input: ['a', 'b'], output: true, call: 1, return: 5 },
    { client: 3, op: 'set', key: 'ü"\n', input: 'c', output: undefined, call: 3, return: Infinity },
  ];
  const text = [...formatHistory(operations)].join('');
  expect(text.split('\n')[0]).toBe(
    '{"client":1,"call":1,"return":5,"op":"cas","key":"k","input":["a","b"],"output":true}',
  );
  expect(parseHistory(text)).toEqual(operations);
});

test.each([
  ['not json', /line 2 .*not JSON/],
  ['{"client":1}', /line 2.*call/],
  ['{"client":1,"call":1,"return":2,"op":"get","key":"k","input":null}', /line 2.*output/],
])('a line that is no operation is refused with its number: %s', (line, message) => {
  const good = '{"client":1,"call":1,"return":2,"op":"get","key":"k","input":null,"output":null}';
  expect(() => parseHistory(`${good}\n${line}\n`)).toThrow(message);
});

test('the account names what is lost, doubled, refused and never written', () => {
  expect(
    checkAccount({
      acknowledged: ['a', 'b', 'c'],
      refused: ['r'],
      unknown: ['u'],
      present: ['a', 'b', 'b', 'r', 'u', 'p'],
    }),
  ).toEqual({ ok: false, lost: ['c'], duplicated: ['b'], refusedPresent: ['r'], phantom: ['p'] });
  expect(checkAccount({ acknowledged: ['a'], present: ['a', 'x'] }).ok).toBe(true);
});
