/** A memory store with one bug: it is off by one at the byte limit. */
import { memoryTarget } from './memory-target.mjs';

export const target = memoryTarget('broken', (group) => {
  const entries = Object.getPrototypeOf(group).entries;
  group.entries = (low, high, maxBytes) => entries.call(group, low, high, Math.max(0, maxBytes - 1));
  return group;
});
