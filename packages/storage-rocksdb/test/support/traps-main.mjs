/** A process that uses the binding's public class as its name promises, and leaves marks in a trace of system calls. */
import { accessSync } from 'node:fs';
import { createRequire } from 'node:module';

const { RocksLevel } = createRequire(import.meta.url)('@nxtedition/rocksdb');

const mark = (name) => {
  try {
    accessSync(`/balsa-mark-${name}`);
  } catch {
    // There is no such file: the attempt is the message.
  }
};

const encodings = { keyEncoding: 'buffer', valueEncoding: 'buffer' };
const sync = { sync: true, ...encodings };
const key = (n) => Buffer.of(n);
const db = new RocksLevel(process.argv[2], { createIfMissing: true, walCompression: false, ...encodings });
await db.open();
mark('put');
for (let n = 1; n <= 20; n++) await db.put(key(n), key(n), sync);
mark('del');
for (let n = 1; n <= 20; n++) await db.del(key(n), sync);
mark('clear');
for (let n = 1; n <= 20; n++) await db.clear({ gte: key(n), lt: key(n + 1), ...sync });
mark('batch');
for (let n = 1; n <= 20; n++) await db.batch([{ type: 'put', key: key(n), value: key(n) }], sync);
mark('end');
await db.close();
