/** One cell: a cluster that is warmed up, then timed, then weighed. */
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Cluster, type ClusterOptions } from './cluster.ts';

export interface Measured {
  readonly entriesPerSecond: number;
  readonly nsPerEntry: number;
}

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** A tenth, as the rival does, and at least so many that the compiler has settled: it compiles anew for 100,000 and more. */
const leastWarmUp = 150_000;

/** Times `entries` entries. */
export function measureSpeed(cell: ClusterOptions, entries: number, payload: Uint8Array): Measured {
  const cluster = warmedUp(cell, entries, payload);
  collectGarbage();
  const appliedBefore = cluster.applied;
  const start = process.hrtime.bigint();
  cluster.run(entries);
  const ns = Number(process.hrtime.bigint() - start);
  const count = cluster.applied - appliedBefore;
  cluster.checkFollowers();
  return { entriesPerSecond: (count * 1e9) / ns, nsPerEntry: ns / count };
}

/**
 * Bytes allocated for each entry, on the heap and in buffers. Taken apart from the speed, because looking at the heap costs
 * time: what the heap grew by between two looks is summed; looks during which garbage was collected are left out.
 */
export function measureAllocation(cell: ClusterOptions, entries: number, payload: Uint8Array): number {
  const cluster = warmedUp(cell, entries, payload);
  collectGarbage();
  const perLook = Math.max(1, Math.ceil(256 / cell.batch));
  let batches = 0;
  let bytes = 0;
  let seen = 0;
  let before = allocated();
  const cost = allocated() - before;
  before = allocated();
  let appliedBefore = cluster.applied;
  cluster.run(entries, () => {
    if (++batches % perLook !== 0) return;
    const now = allocated();
    if (now >= before) {
      bytes += now - before - cost;
      seen += cluster.applied - appliedBefore;
    }
    before = now;
    appliedBefore = cluster.applied;
  });
  return seen === 0 ? 0 : bytes / seen;
}

function allocated(): number {
  const heap = getHeapStatistics();
  return heap.used_heap_size + heap.external_memory;
}

function warmedUp(cell: ClusterOptions, entries: number, payload: Uint8Array): Cluster {
  const cluster = new Cluster(cell, payload);
  cluster.run(Math.max(Math.ceil(entries / 10), leastWarmUp));
  return cluster;
}
