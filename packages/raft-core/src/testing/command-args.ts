/** Reading the arguments of a transcript's commands. */
import { BalsaError } from '../errors.ts';
import type { NodeId } from '../types.ts';
import type { Command } from './datadriven.ts';
import type { InteractionEnv } from './interaction-env.ts';
import type { TranscriptNode } from './transcript-node.ts';

export function refuse(text: string): never {
  throw new BalsaError('INVALID_ARGUMENT', text);
}

export function integer(text: string | undefined): number {
  const value = Number(text);
  return text !== undefined && text !== '' && Number.isSafeInteger(value)
    ? value
    : refuse(`'${String(text)}' is no number`);
}

export function boolean(text: string | undefined): boolean {
  if (text !== 'true' && text !== 'false') refuse(`'${String(text)}' is neither true nor false`);
  return text === 'true';
}

/** The bare keys, which are node ids but for payloads and the like. */
export function bare(command: Command): string[] {
  return command.args.filter((arg) => arg.values.length === 0).map((arg) => arg.key);
}

export function nodesOf(env: InteractionEnv, command: Command): TranscriptNode[] {
  return bare(command).map((key) => env.node(integer(key)));
}

export function firstNode(env: InteractionEnv, command: Command): TranscriptNode {
  return env.node(integer(bare(command)[0]));
}

export function valueOf(command: Command, key: string): string | undefined {
  return command.args.find((arg) => arg.key === key)?.values[0];
}

/** The first two nodes named. */
export function twoNodes(env: InteractionEnv, command: Command): readonly [TranscriptNode, NodeId] {
  const [first, second] = bare(command);
  return [env.node(integer(first)), integer(second)];
}
