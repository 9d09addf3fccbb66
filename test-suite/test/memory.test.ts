import { describe, expect, test } from 'vitest';
import { orderedCases, orderedStoreConformance, storageCases, storageConformance } from '@balsa/test-suite';
import { memoryTarget } from '../src/zoo/memory-target.ts';

storageConformance({ describe, test }, memoryTarget());
orderedStoreConformance({ describe, test }, memoryTarget());

test('case ids are unique and stand in their group', () => {
  const ids = [...storageCases, ...orderedCases].map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
  for (const id of ids) expect(id).toMatch(/^[a-z-]+\/[a-zA-Z0-9-]+$/);
});
