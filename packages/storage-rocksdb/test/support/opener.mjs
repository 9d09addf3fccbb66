/** How a child process opens a store: plain JavaScript, on the built packages. */
import { env, pretending } from '@balsa/storage-kit/testing';
import { openRocksdbEngine } from '@balsa/storage-rocksdb';

export { env };

/** `pretend` says other capabilities than the store has. */
export async function openStore({ pretend, ...options }) {
  return pretending(await openRocksdbEngine({ env, worker: false, ...options }), pretend);
}
