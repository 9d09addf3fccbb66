import { BalsaError } from '@balsa/raft-core';
import { describe, expect, test } from 'vitest';
import { CommandFailure, codeOf, explain, isLasting } from '../src/messages.ts';

describe('explain', () => {
  test('says what, why, the code and the remedy of an error of ours', () => {
    const cause = new Error('database disk image is malformed');
    const text = explain(new BalsaError('STORE_CORRUPT', 'entry 7 does not match its checksum', { cause }));
    expect(text).toMatch(
      /^entry 7 does not match its checksum: database disk image is malformed \(STORE_CORRUPT\)\n/,
    );
    expect(text).toContain('What to do: ');
    expect(text).not.toContain('    at ');
  });

  test('prints a failure that is already told as it is', () => {
    expect(explain(new CommandFailure('Port 1 is in use.', { cause: new Error('EADDRINUSE') }))).toBe(
      'Port 1 is in use.',
    );
  });

  test('does not repeat a cause that the message quotes', () => {
    expect(explain(new Error('cannot read: no such file', { cause: new Error('no such file') }))).toBe(
      'cannot read: no such file',
    );
  });

  test('takes what is no error at all', () => {
    expect(explain('odd')).toBe('odd');
  });
});

test('the code of an error survives the way from a node to its parent', () => {
  expect(codeOf(new CommandFailure('x', { code: 'STORE_LOCKED' }))).toBe('STORE_LOCKED');
  expect(codeOf(new Error('x'))).toBeUndefined();
});

test('a node is not started again after damage, and is after a crash', () => {
  expect(isLasting('STORE_CORRUPT')).toBe(true);
  expect(isLasting('STORE_IO')).toBe(false);
  expect(isLasting(undefined)).toBe(false);
});
