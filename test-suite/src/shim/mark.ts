/** Writes an announcement into a record, from whatever process: it stands there in the order of time. */
import { appendFileSync } from 'node:fs';

/** Layout: `struct record` of shim.c. */
const headBytes = 32;
const opMark = 10;

/** By one call that appends, as the shim does, so that records of several processes never mix. */
export function appendMark(tracePath: string, text: string): void {
  const data = Buffer.from(text);
  const record = Buffer.alloc(headBytes + data.length);
  record.writeUInt8(opMark, 0);
  record.writeUInt32LE(data.length, 28);
  data.copy(record, headBytes);
  appendFileSync(tracePath, record);
}
