import { expect, test, vi } from 'vitest';
import { openEngine, temporaryDirectory } from './support/index.ts';

vi.mock('@nxtedition/rocksdb/binding.js', () => {
  throw new Error('No native build was found for platform=sunos arch=sparc');
});

test('where there is no binary, the package can be imported, and opening says which platforms have one', async () => {
  const opening = openEngine(temporaryDirectory());
  await expect(opening).rejects.toMatchObject({ code: 'STORE_IO' });
  await expect(opening).rejects.toThrow(/no RocksDB binary for .*linux-x64 .*darwin-arm64; .*storage-sqlite/);
});
