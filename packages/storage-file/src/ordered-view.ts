/** A point in time of an ordered store. */
import {
  BalsaError,
  type KeyValue,
  type LogIndex,
  type OrderedView,
  type RangeOptions,
} from '@balsa/raft-core';
import type { OrderedMapView } from './ordered-map.ts';

export class FileView implements OrderedView {
  readonly appliedIndex: LogIndex;
  readonly count: number;
  readonly #check: () => void;
  readonly #released: () => void;
  #map: OrderedMapView | undefined;

  constructor(map: OrderedMapView, appliedIndex: LogIndex, check: () => void, released: () => void) {
    this.appliedIndex = appliedIndex;
    this.count = map.size;
    this.#map = map;
    this.#check = check;
    this.#released = released;
  }

  async range(options: RangeOptions): Promise<KeyValue[]> {
    this.#check();
    if (this.#map === undefined) throw new BalsaError('STORE_CLOSED', 'this view is released');
    return this.#map.range(options);
  }

  async release(): Promise<void> {
    if (this.#map === undefined) return;
    this.#map = undefined;
    this.#released();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }
}
