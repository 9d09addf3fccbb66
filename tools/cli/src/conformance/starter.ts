/** `balsa conformance --init DIR`: the beginning of a store of one's own. */
import { cp, mkdir, readdir } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { WrongChoice } from './stores.ts';

const starter = fileURLToPath(new URL('../../starter', import.meta.url));

/** Copies the starter into a directory that is empty or not there; what to do next, as text. */
export async function writeStarter(directory: string): Promise<string> {
  await mkdir(directory, { recursive: true });
  const present = await readdir(directory);
  if (present.length > 0)
    throw new WrongChoice(`${directory} is not empty; name a directory that is empty or does not exist`);
  await cp(starter, directory, { recursive: true });
  const shown = path.relative(process.cwd(), directory) || '.';
  return [
    `A starter store is in ${shown}:`,
    ...(await readdir(starter)).sort().map((file) => `  ${file}`),
    'Next:',
    `  npx balsa conformance ${path.join(shown, 'target.js').replace(/^(?![./])/, './')} --level core`,
    'and then follow the TODO marks; docs/tutorial-store.md walks through them.',
    '',
  ].join('\n');
}
