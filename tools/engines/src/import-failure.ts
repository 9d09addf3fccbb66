/** Why a module of the user's cannot be imported: what was wrong, where, and what would be right. */
import { spawnSync } from 'node:child_process';
import path from 'node:path';

/** Node knows where a syntax error is only when it is about to die of it. */
function placeOfSyntaxError(file: string): string | undefined {
  const { status, stderr } = spawnSync(process.execPath, ['--check', file], { encoding: 'utf8' });
  const [place = '', code = '', caret = ''] = stderr.split('\n');
  if (status === 0 || !place.includes(path.basename(file))) return undefined;
  return [place, code, caret].map((line) => `  ${line}`).join('\n');
}

/** The first place of a stack that is a file, or the lines before it where Node has put the code there. */
function placeOf(error: Error, file: string): string | undefined {
  const lines = (error.stack ?? '').split('\n');
  if (error instanceof SyntaxError) {
    const shown = lines.findIndex((line) => line.startsWith('SyntaxError'));
    return shown > 0
      ? lines
          .slice(0, shown)
          .map((line) => `  ${line}`)
          .join('\n')
      : placeOfSyntaxError(file);
  }
  const place = lines.find((line) => /^ +at /.test(line) && !line.includes('node:'));
  return place === undefined ? undefined : `  ${place.trim()}`;
}

function adviceOn(error: Error, file: string): string {
  const code = 'code' in error ? error.code : undefined;
  if (code === 'ERR_MODULE_NOT_FOUND')
    // A file that is missing is nothing that an installation brings.
    return error.message.startsWith('Cannot find package')
      ? `; run npm install in ${path.dirname(file)} first`
      : '';
  if (code === 'ERR_UNKNOWN_FILE_EXTENSION')
    return '; it has to be JavaScript that plain Node imports: compile it first';
  if (code === 'ERR_UNSUPPORTED_DIR_IMPORT') return '; name the module in that directory';
  return '';
}

export function importFailure(file: string, cause: unknown): string {
  if (!(cause instanceof Error)) return `${file} cannot be imported: it threw ${String(cause)}`;
  const said = `${file} cannot be imported: ${cause.message}${adviceOn(cause, file)}`;
  // Of what Node itself did not find it is Node's stack.
  const place = 'code' in cause ? undefined : placeOf(cause, file);
  return place === undefined ? said : `${said}\n${place}`;
}
