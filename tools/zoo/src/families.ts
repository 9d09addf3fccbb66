/**
 * Every family of broken stores. A family of an engine is one file beside this one (or a folder of its name), which
 * exports a `ZooFamily`, and one line here; the package of the engine is added to package.json, tsconfig.json and the
 * lock file of this workspace.
 */
import { memoryFamily, type ZooFamily } from '@balsa/test-suite/zoo';
import { fileFamily } from './file/family.ts';
import { redisFamily } from './redis/family.ts';
import { rocksdbFamily } from './rocksdb/family.ts';
import { servedFamily } from './served/family.ts';
import { starterFamily } from './starter/family.ts';

export const families: readonly ZooFamily[] = [
  memoryFamily,
  fileFamily,
  starterFamily,
  servedFamily,
  rocksdbFamily,
  redisFamily,
];
