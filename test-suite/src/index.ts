/**
 * The conformance suite: what contracts/ of raft-core says, as tests for any store and any test runner.
 * @packageDocumentation
 */
export { storageConformance, orderedStoreConformance, storageCases, orderedCases } from './suite.ts';
export {
  runCase,
  CaseContext,
  type CaseOptions,
  type CaseOutcome,
  type ConformanceCase,
  type OpenedGroup,
} from './case.ts';
export {
  levels,
  missingNeed,
  type Ability,
  type ChildOpener,
  type ConnectionFault,
  type Harness,
  type Level,
  type Need,
  type Runner,
  type ServerConnection,
  type ServerProcesses,
  type Target,
  type TestFunction,
} from './target.ts';
export { chooseCases, runConformance, type CaseProgress, type ConformanceOptions } from './run.ts';
export {
  withFailures,
  type CaseFailure,
  type CaseResult,
  type CaseStatus,
  type ConformanceReport,
  type Grade,
  type LevelCount,
} from './report.ts';
