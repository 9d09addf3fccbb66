/** vitest run */
import { describe, test } from 'vitest';
import { orderedStoreConformance, storageConformance } from '@balsa/test-suite';
import { target } from '../conformance-node-test/target.js';

storageConformance({ describe, test }, target);
orderedStoreConformance({ describe, test }, target);
