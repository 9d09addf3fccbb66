import { InvalidArgumentError } from 'commander';
import { describe, expect, test } from 'vitest';
import {
  formatHostPort,
  parseBasePort,
  parseCluster,
  parseClusterId,
  parseHostPort,
  parseNodeId,
  portsOf,
} from '../src/options.ts';

describe('host:port', () => {
  test('is read and written in both forms', () => {
    for (const text of ['127.0.0.1:7001', 'node-1.example:0', '[::1]:65535']) {
      expect(formatHostPort(parseHostPort(text))).toBe(text);
    }
  });

  test.each(['7001', 'host:', ':7001', 'host:65536', 'host:-1', '::1:7001', 'host:7001x'])(
    'refuses %s',
    (text) => {
      expect(() => parseHostPort(text)).toThrow(InvalidArgumentError);
    },
  );
});

describe('node id', () => {
  test.each(['0', '-1', '1.5', 'one', '', '9007199254740992'])('refuses %j', (text) => {
    expect(() => parseNodeId(text)).toThrow(/whole number from 1/);
  });
});

describe('cluster', () => {
  test('names ids and addresses', () => {
    expect(parseCluster('1=a:1, 2=b:2')).toEqual([
      { id: 1, address: 'a:1' },
      { id: 2, address: 'b:2' },
    ]);
  });

  test.each([
    ['1=a:1,1=b:2', /Node 1 is named twice/],
    ['1=a:1,2=a:1', /Two nodes have the address a:1/],
    ['a:1', /Expected ID=HOST:PORT/],
    ['1=a', /Expected HOST:PORT/],
  ])('refuses %s', (text, message) => {
    expect(() => parseCluster(text)).toThrow(message);
  });
});

test('a cluster id is sixteen hexadecimal digits', () => {
  expect(parseClusterId('0123456789abcdef')).toBe('0123456789abcdef');
  for (const text of ['0123456789ABCDEF', '0123', '0123456789abcdefa'])
    expect(() => parseClusterId(text)).toThrow();
});

test('a base port leaves room for the highest port derived from it', () => {
  expect(portsOf(parseBasePort('65332'), 3)).toEqual({ resp: 65_335, http: 65_435, raft: 65_535 });
  expect(() => parseBasePort('65333')).toThrow();
  expect(() => parseBasePort('0')).toThrow();
});
