/** The one command that edits: formatting, what the linter can mend, and generated pages. */
import { writeFileSync } from 'node:fs';
import { errorsPage, errorsPageFile } from './errors-page.mjs';
import { runNode } from './process.mjs';

export async function fix() {
  writeFileSync(errorsPageFile, await errorsPage());
  const lint = await runNode(['node_modules/eslint/bin/eslint.js', '--fix', '.']);
  const format = await runNode([
    'node_modules/prettier/bin/prettier.cjs',
    '--write',
    '--log-level',
    'warn',
    '.',
  ]);
  return format || lint;
}
