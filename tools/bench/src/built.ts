/** Programs that this package starts in processes of their own. */
import { fileURLToPath } from 'node:url';

/** A program by its path in `dist`: plain Node runs what was built, also when this runs from the sources. */
export function builtProgram(program: string): string {
  return fileURLToPath(new URL(`../dist/${program}`, import.meta.url));
}
