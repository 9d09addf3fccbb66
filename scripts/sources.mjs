/** Files of the repository, without what is generated or installed. */
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';

export { repositoryRoot } from './process.mjs';

const skipped = new Set(['node_modules', 'dist', '.git', '.balsa', '.nx', 'coverage', '.tmp']);

/** Paths below `folders` for which `wanted` holds, with forward slashes, sorted. */
export function globFiles(folders, wanted) {
  const found = [];
  const visit = (folder) => {
    for (const item of readdirSync(folder, { withFileTypes: true })) {
      const place = path.posix.join(folder, item.name);
      if (item.isDirectory()) {
        if (!skipped.has(item.name)) visit(place);
      } else if (wanted(place)) found.push(place);
    }
  };
  for (const folder of folders) if (existsSync(folder)) visit(folder);
  return found.sort();
}
