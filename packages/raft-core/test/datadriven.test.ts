import { describe, expect, test } from 'vitest';
import {
  describeResult,
  parseCommands,
  runCommands,
  runTranscript,
  type Command,
} from '../src/testing/index.ts';

const echo = (command: Command): string => command.input;

describe('reading the format', () => {
  test('commands have bare words, values and lists; comments and blank lines lie between them', () => {
    const [command, ...rest] = parseCommands(
      '# a comment\n\n  deliver-msgs 1 2 drop=(3, 4) type=MsgApp empty=()\n----\nok\n\n# the end\n',
    );
    expect(rest).toEqual([]);
    expect([command?.name, command?.line, command?.expected]).toEqual(['deliver-msgs', 3, 'ok\n']);
    expect(command?.args).toEqual([
      { key: '1', values: [] },
      { key: '2', values: [] },
      { key: 'drop', values: ['3', '4'] },
      { key: 'type', values: ['MsgApp'] },
      { key: 'empty', values: [] },
    ]);
  });

  test.each(['cmd (a)', 'cmd a=(b', 'cmd a=b)c', 'cmd =b'])(
    'a command line that is not of the form is refused: %s',
    (line) => {
      expect(() => parseCommands(`${line}\n----\n`)).toThrow(
        expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
      );
    },
  );

  test('a directive goes on after a backslash', () => {
    expect(parseCommands('add-nodes 1 \\\n  index=3\n----\n')[0]?.args.map((a) => a.key)).toEqual([
      '1',
      'index',
    ]);
  });

  test('input is what stands between the command and the line', () => {
    expect(parseCommands('cmd\n v1 v2\nl3\n----\n')[0]?.input).toBe('v1 v2\nl3');
  });

  test('expected output ends at a blank line, or goes on to a doubled line', () => {
    const commands = parseCommands(
      'a\n----\none\ntwo\n\nb\n----\n----\none\n\n----\ntwo\n----\n----\n\nc\n----\n',
    );
    expect(commands.map((c) => c.expected)).toEqual(['one\ntwo\n', 'one\n\n----\ntwo\n', '']);
  });

  test('a file that breaks off before the line is one failure, which names the command', () => {
    const [result] = runTranscript('committed cfg=(1)\n');
    expect(result?.passed).toBe(false);
    expect(result?.actual).toContain("no ---- after command 'committed cfg=(1)'");
  });

  test('Windows line ends change nothing', () => {
    expect(parseCommands('a\r\nx\r\n----\r\nb\r\n')).toEqual(parseCommands('a\nx\n----\nb\n'));
  });
});

describe('comparing', () => {
  test('a missing final newline is added, nothing else is forgiven', () => {
    const passes = (expected: string): boolean | undefined =>
      runCommands(parseCommands(`cmd\nfoo bar\n----\n${expected}`), echo)[0]?.passed;
    expect(passes('foo bar\n')).toBe(true);
    expect(passes('foo bar')).toBe(true);
    expect(passes('foo  bar\n')).toBe(false);
    expect(passes('foo bar \n')).toBe(false);
    expect(passes('foo bar\nmore\n')).toBe(false);
    expect(passes('')).toBe(false);
  });

  test('a command that breaks off fails, and so does everything behind it', () => {
    const results = runCommands(parseCommands('a\n----\n\nb\n----\n\nc\n----\n'), ({ name }) => {
      if (name === 'b') throw new Error('broken');
      return '';
    });
    expect(results.map((r) => [r.passed, r.ran])).toEqual([
      [true, true],
      [false, true],
      [false, false],
    ]);
    expect(results[1]?.actual).toContain('broken');
  });

  test('a difference is shown line by line', () => {
    const [result] = runTranscript('vote cfg=(1) votes=(y)\n----\nVoteLost\n');
    expect(result && describeResult(result)).toBe('line 1: vote cfg=(1) votes=(y)\n-VoteLost\n+VoteWon');
  });

  test.each([
    ['vote cfg=(1) votes=(n)', 'VoteLost'],
    ['simple\nv1', 'voters=(1)\n1: StateProbe match=0 next=1'],
    ['add-nodes 1 voters=(1) index=1', 'index must be specified as > 1 due to bootstrap'],
  ])('the kind of a file is known by its first command: %s', (command, expected) => {
    const [result] = runTranscript(`${command}\n----\n${expected}\n`);
    expect(result && describeResult(result).split('\n').slice(1).join('\n')).not.toMatch(/^[-+]/m);
    expect(result?.passed).toBe(true);
  });

  test.each(['frobnicate 1', 'vote cfg=(1) votes=(y)\n----\nVoteWon\n\nunknown'])(
    'an unknown command fails: %s',
    (text) => {
      expect(runTranscript(`${text}\n----\nok\n`).at(-1)?.passed).toBe(false);
    },
  );

  test('a node that does not exist, and a number that is none, are errors in the output', () => {
    const texts = runTranscript(
      'add-nodes 1 voters=(1) index=2\n----\n\ncampaign 7\n----\n\ncampaign x\n----\n',
    ).map((r) => r.actual);
    expect(texts.slice(1)).toEqual(['there is no node 7\n', "'x' is no number\n"]);
  });

  test('at level none only errors show', () => {
    const results = runTranscript(
      'log-level none\n----\nok\n\nadd-nodes 1 voters=(1) index=2\n----\nok\n\npropose 1 x\n----\nraft proposal dropped\n',
    );
    expect(results.map((r) => r.passed)).toEqual([true, true, true]);
  });
});
