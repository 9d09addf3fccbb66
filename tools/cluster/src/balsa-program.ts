/** Where the `balsa` command is. It depends on this package, so it is looked for when it is needed, and not imported. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { CommandFailure } from './failure.ts';

/** The built program of @balsa/cli, as Node finds it from here. */
export function balsaProgram(): string {
  const name = ['@balsa', 'cli', 'package.json'].join('/');
  let manifest: string;
  try {
    manifest = createRequire(import.meta.url).resolve(name);
  } catch (cause) {
    throw new CommandFailure(
      'The balsa command is not installed: install @balsa/cli, or say which program to run.',
      {
        cause,
      },
    );
  }
  const file = path.join(path.dirname(manifest), 'dist', 'main.js');
  if (existsSync(file)) return file;
  throw new CommandFailure(`The balsa command is not built (there is no ${file}): run "npm run build".`);
}
