import { describe, expect, test } from 'vitest';
import { addRawOption, EngineChoiceError, engineNames, findEngine } from '../src/index.ts';

describe('options of engines', () => {
  test('are typed by what the engine knows', async () => {
    const { options, label } = await findEngine('sqlite', {
      worker: 'true',
      walLimitBytes: '64kb',
      watermarkLag: '7',
      durability: 'relaxed',
    });
    expect(options).toEqual({ worker: true, walLimitBytes: 65_536, watermarkLag: 7, durability: 'relaxed' });
    expect(label).toBe('sqlite worker=true walLimitBytes=65536 watermarkLag=7 durability=relaxed');
  });

  test.each([
    [
      'an unknown one, naming the known',
      'file',
      { worker: 'true' },
      /^the engine file has no option worker; there are: durability, .*segmentBytes$/,
    ],
    [
      'one of an engine without any',
      'memory',
      { worker: 'true' },
      /^the engine memory has no option worker; it has none$/,
    ],
    ['a name that every object has', 'memory', { constructor: 'x' }, /has no option constructor/],
    [
      'a boolean that is none',
      'sqlite',
      { worker: 'yes' },
      /^the option worker of sqlite is true or false, not "yes"$/,
    ],
    [
      'a count with a unit',
      'sqlite',
      { watermarkLag: '1kb' },
      /watermarkLag of sqlite is a whole number, not "1kb"$/,
    ],
    ['a size beyond safe integers', 'sqlite', { walLimitBytes: '99999999gb' }, /is a number of bytes/],
    [
      'a choice that is none',
      'sqlite',
      { synchronous: 'full' },
      /is one of OFF, NORMAL, FULL, EXTRA, not "full"$/,
    ],
  ])('refuses %s', async (_what, engine, options, expected) => {
    const failure = await findEngine(engine, options).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(EngineChoiceError);
    expect((failure as Error).message).toMatch(expected);
  });

  test('are given as KEY=VALUE, each once', () => {
    expect(addRawOption('a=1', addRawOption('b=x=y'))).toEqual({ b: 'x=y', a: '1' });
    expect(() => addRawOption('worker')).toThrow(
      /^expected KEY=VALUE, for example worker=true, not "worker"$/,
    );
    expect(() => addRawOption('a=2', { a: '1' })).toThrow(/^the option a is given twice$/);
  });
});

test('a name that is no engine and no file is refused, with the names that are', async () => {
  await expect(findEngine('sqllite')).rejects.toThrow(
    `there is no engine "sqllite": neither a known name (${engineNames.join(', ')}) nor a file at`,
  );
});
