import { createHash } from 'node:crypto';
import type { LogIndex, OrderedStore, OrderedView } from '@balsa/raft-core';

/** What two nodes compare to know that they are alike. */
export interface StateDigest {
  readonly appliedIndex: LogIndex;
  /** SHA-256 over all pairs in key order, each as two 32-bit big-endian lengths, key and value; hexadecimal. */
  readonly digest: string;
  readonly count: number;
}

const pagePairs = 1024;
const pageBytes = 256 * 1024;

/** Reads the whole state at one point in time, a page after another, beside writes. */
export async function digestOf(store: OrderedStore): Promise<StateDigest> {
  const view = await store.view();
  try {
    return await digestOfView(view);
  } finally {
    await view.release();
  }
}

async function digestOfView(view: OrderedView): Promise<StateDigest> {
  const hash = createHash('sha256');
  const lengths = Buffer.alloc(8);
  let count = 0;
  let last: Uint8Array | undefined;
  for (;;) {
    const bound = last === undefined ? {} : { gt: last };
    const page = await view.range({ ...bound, limit: pagePairs, maxBytes: pageBytes });
    for (const { key, value } of page) {
      lengths.writeUInt32BE(key.length, 0);
      lengths.writeUInt32BE(value.length, 4);
      hash.update(lengths).update(key).update(value);
    }
    count += page.length;
    last = page.at(-1)?.key;
    if (last === undefined) return { appliedIndex: view.appliedIndex, digest: hash.digest('hex'), count };
  }
}
