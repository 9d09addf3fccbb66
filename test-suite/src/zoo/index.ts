/**
 * The zoo: broken stores that the suite has to kill. Adapters' families are written against this.
 * @packageDocumentation
 */
export { allKillers, judge, type Animal, type Kill, type Verdict, type ZooFamily } from './family.ts';
export { inGroups, inOrderedStores, override } from './override.ts';
export { memoryFamily } from './memory-family.ts';
export { zooPage, type Killed, type KilledFamily } from './page.ts';
