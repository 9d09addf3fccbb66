/**
 * Whole clusters under virtual time, network and disk, from one seed.
 * @packageDocumentation
 */
export { simulate, type SeedResult, type SimulateOptions } from './simulate.ts';
export { faultNames, profileNames, type FaultName, type Plan, type ProfileName } from './plan.ts';
export type { Rule } from './judge/violation.ts';
