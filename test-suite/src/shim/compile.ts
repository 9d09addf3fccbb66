/** Compiles the shim on the spot, once per version of its source. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The library, or why there is none: no Linux, no compiler, a source that it does not take. */
export type Shim = { readonly path: string } | { readonly missing: string };

// From src/shim and from dist/shim alike: the source is shipped.
const source = fileURLToPath(new URL('../../src/shim/shim.c', import.meta.url));

let compiled: Promise<Shim> | undefined;

/** The path of the compiled shim. Asked for again, it gives the same answer. */
export function findShim(): Promise<Shim> {
  compiled ??= compile();
  return compiled;
}

/** A directory of this user's own: what lies in it is loaded into processes. */
function cacheDirectory(): string {
  const user = process.getuid?.() ?? 0;
  const directory = join(tmpdir(), `balsa-shim-${String(user)}`);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const { uid, mode } = statSync(directory);
  if (uid !== user || (mode & 0o022) !== 0) {
    throw new Error(`${directory} belongs to somebody else or can be written to by others; remove it`);
  }
  return directory;
}

async function compile(): Promise<Shim> {
  if (process.platform !== 'linux') {
    return { missing: `the shim that watches the disk works on Linux only, and this is ${process.platform}` };
  }
  const directory = cacheDirectory();
  const hash = createHash('sha256').update(readFileSync(source)).update(process.arch).digest('hex');
  const path = join(directory, `${hash.slice(0, 24)}.so`);
  if (existsSync(path)) return { path };
  const temporary = join(directory, `${hash.slice(0, 24)}.${String(process.pid)}.tmp`);
  const named = process.env['CC'];
  const compilers = [...(named === undefined || named === '' ? [] : [named]), 'cc', 'gcc', 'clang'];
  let complaint = '';
  for (const compiler of compilers) {
    try {
      await run(compiler, ['-O1', '-shared', '-fPIC', '-o', temporary, source, '-ldl', '-lpthread']);
      renameSync(temporary, path);
      return { path };
    } catch (error) {
      rmSync(temporary, { force: true });
      if (error instanceof Error && !('code' in error && error.code === 'ENOENT')) {
        complaint = `; ${compiler} said: ${error.message.split('\n').slice(0, 5).join(' | ')}`;
      }
    }
  }
  return {
    missing: `no C compiler built the shim that watches the disk (tried ${compilers.join(', ')}${complaint}); install one (apt-get install gcc libc6-dev) or name it in CC`,
  };
}
