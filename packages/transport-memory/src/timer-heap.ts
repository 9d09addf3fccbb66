/** A binary heap of timers: the earliest first, those of one instant in the order in which they were set. */

export interface Timed {
  /** Virtual milliseconds. */
  readonly due: number;
  /** Grows with each timer that is set. */
  readonly order: number;
}

export class TimerHeap<T extends Timed> {
  readonly #timers: T[] = [];

  /** The next one, left where it is. */
  top(): T | undefined {
    return this.#timers[0];
  }

  push(timer: T): void {
    const heap = this.#timers;
    let at = heap.length;
    heap.push(timer);
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = heap[up];
      if (parent === undefined || !before(timer, parent)) break;
      heap[at] = parent;
      at = up;
    }
    heap[at] = timer;
  }

  /** Removes the next one. */
  pop(): void {
    const heap = this.#timers;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let down = 2 * at + 1;
      let child = heap[down];
      const right = heap[down + 1];
      if (child !== undefined && right !== undefined && before(right, child)) {
        child = right;
        down++;
      }
      if (child === undefined || !before(child, last)) break;
      heap[at] = child;
      at = down;
    }
    heap[at] = last;
  }
}

/** Order of time, and of setting among timers of one instant. */
export function before(a: Timed, b: Timed): boolean {
  return a.due < b.due || (a.due === b.due && a.order < b.order);
}
