/** A wrong choice is told at once, before minutes of measuring, and with exit code 2. */
import { afterEach, describe, expect, test, vi } from 'vitest';
import { bench } from '../src/bench.ts';
import { benchCommand } from '../src/command.ts';

const { signal } = new AbortController();
afterEach(() => vi.restoreAllMocks());

function silence(): string[] {
  const said: string[] = [];
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    said.push(String(text));
    return true;
  });
  return said;
}

describe('a wrong choice', () => {
  test.each([
    ['a store', ['oracle'], { directory: '/tmp' }, /no engine "oracle"/],
    ['an option of a store', ['sqlite:nope=1'], { directory: '/tmp' }, /no option nope/],
    [
      'a workload',
      ['memory'],
      { directory: '/tmp', workload: ['nope'] },
      /no workload "nope"; there are: append/,
    ],
    [
      'a rival',
      ['memory'],
      { directory: '/tmp', etcd: process.execPath },
      /--etcd .* does not say its version/,
    ],
    [
      'a place for the data',
      ['memory'],
      { directory: '/tmp', json: '/nowhere/x.json' },
      /--json .*\/nowhere is not there/,
    ],
    [
      'a directory for a file',
      ['memory'],
      { directory: '/tmp', json: '/tmp' },
      /--json \/tmp: it is a directory/,
    ],
    [
      'a file for the list',
      ['memory'],
      { directory: '/tmp', json: true as const },
      /--json: say into which file/,
    ],
    [
      'a disk',
      ['memory'],
      { directory: '/nowhere/at/all' },
      /--directory \/nowhere\/at\/all: there is no such/,
    ],
    [
      'a disk that is a file',
      ['memory'],
      { directory: process.execPath },
      /--directory .*: there is no such/,
    ],
    [
      'a place for the page',
      ['memory'],
      { directory: '/tmp', html: '/nowhere/x.html' },
      /--html .*\/nowhere is not there/,
    ],
  ])('of %s', async (_, stores, flags, message) => {
    const said = silence();
    expect(await bench(stores, flags, signal)).toBe(2);
    expect(said.join('')).toMatch(message);
  });

  test.each([[['--batch', 'x']], [['--quick', '--full']], [['--nope']], [['compare', '--nope']]])(
    'of options: %s',
    async (args) => {
      silence();
      const ended: unknown[] = [];
      vi.spyOn(process, 'exit').mockImplementation((code) => {
        ended.push(code);
        throw new Error('ended');
      });
      await expect(benchCommand(signal).parseAsync(['node', 'bench', ...args])).rejects.toThrow('ended');
      expect(ended).toEqual([2]);
    },
  );
});
