/** node --experimental-vm-modules node_modules/jest/bin/jest.js: the suite is an ES module. */
import { describe, test } from '@jest/globals';
import { orderedStoreConformance, storageConformance } from '@balsa/test-suite';
import { target } from '../conformance-node-test/target.js';

storageConformance({ describe, test }, target);
orderedStoreConformance({ describe, test }, target);
