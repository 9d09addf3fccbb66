/**
 * The conformance suite: what contracts/ of raft-core says, as tests for any store and any test runner.
 * @packageDocumentation
 */
export { storageConformance, orderedStoreConformance, storageCases, orderedCases } from './suite.ts';
export { runCase, CaseContext, type ConformanceCase, type OpenedGroup } from './case.ts';
export type { Harness, Level, Runner, Target } from './target.ts';
