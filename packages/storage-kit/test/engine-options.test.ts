import { silentLogger, type Env } from '@balsa/raft-core';
import { describe, expect, test } from 'vitest';
import { checkCommonOptions, type CommonOptions } from '../src/index.ts';

const env: Env = {
  now: () => 0,
  setTimer: () => ({ cancel: () => undefined }),
  random: () => 0,
  log: silentLogger,
};

describe('options that all adapters have', () => {
  const check = (options: unknown) => (): void => {
    checkCommonOptions(options as CommonOptions, 'directory');
  };

  test.each([
    ['options', undefined],
    ['options', null],
    ['env', { directory: 'here' }],
    ['env', { directory: 'here', env: {} }],
    ['durability', { directory: 'here', env, durability: 'Strict' }],
    ['durability', { directory: 'here', env, durability: null }],
    ['directory', { env }],
    ['directory', { env, directory: 5 }],
    ['directory', { env, directory: '' }],
  ])('are refused without a %s that can be: %j', (field, options) => {
    expect(check(options)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', details: { field } }) as Error,
    );
  });

  test.each(['strict', 'relaxed', undefined])('may say durability: %s', (durability) => {
    expect(check({ directory: 'here', env, durability })).not.toThrow();
  });
});
