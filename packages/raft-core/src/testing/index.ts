/**
 * For tests of raft-core, and of anything that claims to behave like it: the driver of etcd's data-driven
 * transcripts. Text in, results out; no files, no clock, no runner.
 * @packageDocumentation
 */
export {
  parseCommands,
  runCommands,
  type Command,
  type CommandArg,
  type CommandResult,
} from './datadriven.ts';
export { describeResult, runTranscript, type TranscriptOptions } from './transcripts.ts';
export type { CoreUnderTest, MakeCore } from './transcript-node.ts';
export { recordCore, replay, type MakeRecorded, type ReplayMismatch, type ReplayResult } from './recorder.ts';
export { traceLine } from './trace-line.ts';
