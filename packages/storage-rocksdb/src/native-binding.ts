/**
 * The functions of the native addon that this package calls, as its binding.cc has them in version 12.2.12.
 * Handles are opaque. Everything but `db_open` and `db_close` runs on the calling thread.
 */
type Callback = (error: Error | null) => void;

export interface Binding {
  db_init(location: string): object;
  db_open(db: object, options: object, callback: Callback): void;
  db_close(db: object, callback: Callback): void;
  db_get_many_sync(db: object, keys: readonly Uint8Array[], options: object): (Buffer | null | undefined)[];
  /** Deletes a range, without a sync. */
  db_clear(db: object, options: object): void;
  db_get_property(db: object, name: string): string;
  iterator_init(db: object, options: object): object;
  iterator_seek(iterator: object, target: Uint8Array): void;
  /** `rows` holds key, value, key, value, ... */
  iterator_nextv_sync(iterator: object, count: number): { rows: Buffer[]; finished: boolean };
  iterator_close(iterator: object): void;
  batch_init(): object;
  /** Copies both. */
  batch_put(batch: object, key: Uint8Array, value: Uint8Array, options: undefined): void;
  batch_del(batch: object, key: Uint8Array, options: undefined): void;
  batch_clear(batch: object): void;
  batch_write(db: object, batch: object, options: { sync: boolean }): void;
}
