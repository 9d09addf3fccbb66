/** mocha --timeout 300000 store.test.js */
import { describe, it } from 'mocha';
import { orderedStoreConformance, storageConformance } from '@balsa/test-suite';
import { target } from '../conformance-node-test/target.js';

storageConformance({ describe, test: it }, target);
orderedStoreConformance({ describe, test: it }, target);
