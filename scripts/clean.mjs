/** Removes what can be made again, and says what it removed. */
import { existsSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';

/** Folders of the workspaces that the build or a run leaves something in. */
export function workspaceFolders() {
  const folders = ['test-suite', 'examples'];
  for (const parent of ['packages', 'tools']) {
    if (!existsSync(parent)) continue;
    for (const name of readdirSync(parent)) folders.push(path.join(parent, name));
  }
  return folders.filter((folder) => existsSync(path.join(folder, 'package.json')));
}

export function clean(args) {
  const targets = ['.balsa', '.nx', '.tmp', 'coverage', 'tsconfig.tsbuildinfo', '.eslintcache'];
  for (const folder of workspaceFolders())
    targets.push(path.join(folder, 'dist'), path.join(folder, 'tsconfig.tsbuildinfo'));
  if (args.includes('--all')) targets.push('node_modules');
  const present = targets.filter((target) => existsSync(target));
  for (const target of present) {
    rmSync(target, { recursive: true, force: true });
    process.stdout.write(`removed ${target}\n`);
  }
  if (present.length === 0) process.stdout.write('nothing to remove\n');
  if (!args.includes('--all'))
    process.stdout.write('node_modules stays; `npm run clean -- --all` removes it too\n');
  return 0;
}
