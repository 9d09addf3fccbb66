/**
 * Judges histories of a replicated store: linearizability, and whether every acknowledged write is there.
 * @packageDocumentation
 */
export { describeOperation, isKnown, type Operation, type Value } from './operation.ts';
export { kvModel, type KvState, type Model } from './model.ts';
export { checkHistory, type CheckOptions, type CheckResult } from './check.ts';
export { HistoryRecorder, type Invocation, type PendingCall, type RecorderOptions } from './recorder.ts';
export { formatHistory, formatOperation, parseHistory } from './ndjson.ts';
export { checkAccount, type Account, type AccountingResult } from './accounting.ts';
