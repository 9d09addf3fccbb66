/** Loaded into a child: its standard output behaves as a pipe does whose reader has not kept up. */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { createMemoryDisk, openMemoryEngine } from '@balsa/raft-core/memory';

const { writeSync } = fs;
let calls = 0;

fs.writeSync = (fd, data) => {
  calls++;
  if (calls % 3 === 1) throw Object.assign(new Error('EAGAIN: try again'), { code: 'EAGAIN' });
  return writeSync(fd, calls % 3 === 2 ? data.subarray(0, 1) : data);
};
syncBuiltinESMExports();

const disk = createMemoryDisk();

export const openStore = async () => openMemoryEngine({ disk });
