import { expect, test } from 'vitest';
import { outcomeOfFailure } from '../src/cluster-client.ts';
import { parseMetrics } from '../src/node-http.ts';

test.each([
  'TRYAGAIN no leader is known',
  'BUSY a queue is full',
  "Stream isn't writeable and enableOfflineQueue options is false",
])('a write that ends with %j never happens', (text) => {
  expect(outcomeOfFailure(new Error(text))).toBe('refused');
});

test.each([
  'UNKNOWN it may have been applied',
  'Connection is closed.',
  'Command timed out',
  'ERR something',
  '',
])('a write that ends with %j may have happened', (text) => {
  expect(outcomeOfFailure(new Error(text))).toBe('unknown');
});

test('metrics are summed over their labels', () => {
  const text = '# HELP a A.\na 1\nb{x="1"} 2\nb{x="2"} 3.5\nc_total{le="+Inf"} 7 1700000000\n';
  expect(Object.fromEntries(parseMetrics(text))).toEqual({ a: 1, b: 5.5, c_total: 7 });
});
