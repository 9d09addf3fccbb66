/** Cuts a batch of changes into pieces that hold the event loop for a moment only. */
import type { OrderedBatch } from '@balsa/raft-core';

/** Changes, and about how many bytes of them, that are written in one go. */
const slice = { changes: 128, bytes: 256 * 1024 } as const;

/** In their order. A batch that is little more than one slice is one. */
export function slicesOf(changes: OrderedBatch['changes']): OrderedBatch['changes'][] {
  if (changes.length <= 2 * slice.changes) return [changes];
  const slices: OrderedBatch['changes'][] = [];
  let [start, bytes] = [0, 0];
  for (const [i, [key, value]] of changes.entries()) {
    bytes += key.length + (value?.length ?? 0);
    if (i + 1 - start < slice.changes && bytes < slice.bytes && i + 1 < changes.length) continue;
    slices.push(changes.slice(start, i + 1));
    [start, bytes] = [i + 1, 0];
  }
  return slices;
}
