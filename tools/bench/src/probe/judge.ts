/** From the record of what a process did to its disk: was each write synced before it was acknowledged? */
import type { TraceOperation } from '@balsa/test-suite/shim';
import type { Probe } from '../report/report.ts';

export const beginMark = 'begin';
export const ackMark = 'ack';

/** Text of a mark, a line. */
export function markOf(kind: typeof beginMark | typeof ackMark, n: number): string {
  return `${kind} ${n}\n`;
}

class Watch {
  acknowledged = 0;
  covered = 0;
  syncs = 0;
  readonly #markers: readonly Buffer[];
  readonly #paths = new Map<number, string>();
  /** Markers by number that were written, with the paths that they lie in unsynced. */
  readonly #unsynced = new Map<number, Set<string>>();
  readonly #synced = new Set<number>();
  #syncsAtBegin = 0;
  #current: number | undefined;

  constructor(markers: readonly Buffer[]) {
    this.#markers = markers;
  }

  take(operation: TraceOperation): void {
    switch (operation.op) {
      case 'open':
        this.#paths.set(operation.handle, operation.path);
        return;
      case 'write':
        this.#written(operation.handle, operation.data, operation.synchronous);
        return;
      case 'sync':
        this.#sync(operation.path);
        return;
      case 'sync-all':
        this.#sync(undefined);
        return;
      case 'mark':
        for (const line of operation.text.split('\n')) this.#mark(line);
        return;
      default:
    }
  }

  #written(handle: number, data: Buffer, synchronous: boolean): void {
    if (synchronous) this.syncs++;
    // A later write may carry earlier entries once more, as a page of a tree does; only the present one matters.
    const n = this.#current;
    const marker = n === undefined ? undefined : this.#markers[n];
    if (n === undefined || marker === undefined || !data.includes(marker)) return;
    if (synchronous) {
      this.#synced.add(n);
      return;
    }
    const paths = this.#unsynced.get(n) ?? new Set();
    this.#unsynced.set(n, paths.add(this.#paths.get(handle) ?? ''));
  }

  #sync(path: string | undefined): void {
    this.syncs++;
    for (const [n, paths] of this.#unsynced) if (path === undefined || paths.has(path)) this.#synced.add(n);
  }

  #mark(line: string): void {
    const [kind, number] = line.split(' ');
    const n = Number(number);
    if (kind === beginMark) {
      this.#current = n;
      this.#syncsAtBegin = this.syncs;
    } else if (kind === ackMark) {
      this.#current = undefined;
      this.acknowledged++;
      // Bytes that cannot be found were compressed or enciphered: then any sync in between has to do.
      const found = this.#synced.has(n) || this.#unsynced.has(n);
      if (found ? this.#synced.has(n) : this.syncs > this.#syncsAtBegin) this.covered++;
    }
  }
}

/** `markers[n]` is what write n carries. */
export function judgeTrace(operations: readonly TraceOperation[], markers: readonly Buffer[]): Probe {
  const watch = new Watch(markers);
  for (const operation of operations) watch.take(operation);
  return { acknowledged: watch.acknowledged, covered: watch.covered, syncs: watch.syncs };
}
