/** Which code ran: totals of different code are no totals of one thing. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What a simulated cluster is made of, from the root of the repository. */
const parts = [
  'packages/raft-core/dist',
  'packages/raft-node/dist',
  'packages/storage-kit/dist',
  'packages/storage-file/dist',
  'packages/transport-memory/dist',
  'packages/kv/dist/machine',
  'tools/checker/dist',
  'tools/simulator/dist/world',
  'tools/simulator/dist/judge',
  'tools/simulator/dist/faults',
  'tools/simulator/dist/work',
];

/** Equal when the compiled code of all parts is. */
export function codeDigest(): string {
  const root = fileURLToPath(new URL('../../../../', import.meta.url));
  const hash = createHash('sha256');
  for (const part of [...parts, 'tools/simulator/dist']) {
    // The command line, and what is below the parts named above, changes nothing in a run.
    const recursive = part !== 'tools/simulator/dist';
    const names = readdirSync(join(root, part), { recursive, encoding: 'utf8' });
    for (const name of names.filter((one) => one.endsWith('.js')).sort()) {
      hash.update(`${part}/${name}\n`);
      hash.update(readFileSync(join(root, part, name)));
    }
  }
  return hash.digest('hex').slice(0, 12);
}
