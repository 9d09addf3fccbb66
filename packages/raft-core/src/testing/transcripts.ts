/** Running whole transcripts, of whichever kind. */
import { isBalsaError } from '../errors.ts';
import { confChangeHandler } from './conf-change-driver.ts';
import { parseCommands, runCommands, type Command, type CommandResult } from './datadriven.ts';
import { handleInteractionCommand } from './interaction-commands.ts';
import { InteractionEnv } from './interaction-env.ts';
import { lineDiff } from './line-diff.ts';
import { handleQuorumCommand } from './quorum-driver.ts';
import { rawNodeUnderTest } from './raw-node-under-test.ts';
import type { MakeCore } from './transcript-node.ts';

export interface TranscriptOptions {
  /** What to test; `RawNode` unless given. */
  readonly makeCore?: MakeCore;
  /** Seeds the election timeouts. No transcript may depend on it. Default 1. */
  readonly seed?: number;
}

/** Numbers in [0, 1) from a seed (a 32-bit xorshift): enough to spread election timeouts. */
function seeded(seed: number): () => number {
  let state = (seed ^ 0x9e3779b9) | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 0x1_0000_0000;
  };
}

/** The commands themselves tell which of etcd's three test programs a file is for. */
function handlerFor(commands: readonly Command[], options: TranscriptOptions): (command: Command) => string {
  const first = commands[0]?.name ?? '';
  if (['committed', 'vote', 'group_committed'].includes(first)) return handleQuorumCommand;
  if (first === 'simple' || first === 'enter-joint' || first === 'leave-joint') return confChangeHandler();
  const env = new InteractionEnv(options.makeCore ?? rawNodeUnderTest, seeded(options.seed ?? 1));
  return (command) => handleInteractionCommand(env, command);
}

/**
 * Runs the text of one file and gives the result of each command. Expected output is never changed to fit.
 * A file that cannot be read gives one failed result.
 */
export function runTranscript(text: string, options: TranscriptOptions = {}): CommandResult[] {
  let commands: Command[];
  try {
    commands = parseCommands(text);
  } catch (error) {
    if (!isBalsaError(error)) throw error;
    const command = { line: 1, text: 'parse', name: 'parse', args: [], input: '', expected: '' };
    return [{ command, actual: `${error.message}\n`, passed: false, ran: true }];
  }
  return runCommands(commands, handlerFor(commands, options));
}

/** What differs in one result, for people. */
export function describeResult({ command, actual, ran }: CommandResult): string {
  if (!ran) return `line ${String(command.line)}: ${command.text}\n${actual.trimEnd()}`;
  return `line ${String(command.line)}: ${command.text}\n${lineDiff(command.expected, actual)}`;
}
