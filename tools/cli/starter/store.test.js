/** The same suite under a test runner: `node --test`. */
import { describe, test } from 'node:test';
import { storageConformance } from '@balsa/test-suite';
import { target } from './target.js';

storageConformance({ describe, test }, target);
