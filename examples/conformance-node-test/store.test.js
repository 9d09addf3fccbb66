/** node --test */
import { describe, test } from 'node:test';
import { orderedStoreConformance, storageConformance } from '@balsa/test-suite';
import { target } from './target.js';

storageConformance({ describe, test }, target);
orderedStoreConformance({ describe, test }, target);
