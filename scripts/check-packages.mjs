/**
 * Every package is fit to publish (publint), every entry that its exports name can be imported as built, all that it
 * depends on is published, too, and its typings ask for none that whoever installs it does not get.
 */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { workspaceFolders } from './clean.mjs';
import { repositoryRoot } from './process.mjs';

process.chdir(repositoryRoot);
const complaints = [];
const manifestOf = (folder) => JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'));
const workspaces = new Map(workspaceFolders().map((folder) => [manifestOf(folder).name, manifestOf(folder)]));

/** Modules that the typings at `file` take types from, beyond their own package. */
function typeImports(file, seen = new Set()) {
  if (seen.has(file)) return [];
  seen.add(file);
  return [...readFileSync(file, 'utf8').matchAll(/(?:\bfrom|\bimport\()\s*'([^']+)'/g)].flatMap(([, name]) =>
    name.startsWith('.')
      ? typeImports(path.join(path.dirname(file), name).replace(/(?<!\.d)\.[jt]s$/, '.d.ts'), seen)
      : [name],
  );
}

function hasTypings(name) {
  const folder = path.join('node_modules', name);
  const { types, typings } = manifestOf(folder);
  return types !== undefined || typings !== undefined || existsSync(path.join(folder, 'index.d.ts'));
}

function checkTypings(folder, entry, file, dependencies) {
  for (const name of new Set(typeImports(file))) {
    if (name.startsWith('node:') || workspaces.has(name.split('/').slice(0, 2).join('/'))) continue;
    const owner = name.split('/', name.startsWith('@') ? 2 : 1).join('/');
    if (Object.hasOwn(dependencies, owner) && hasTypings(owner)) continue;
    if (Object.hasOwn(dependencies, `@types/${owner}`)) continue;
    complaints.push(
      `${folder}: the typings of entry ${entry} need those of ${name}, which are not installed with it`,
    );
  }
}

for (const folder of workspaceFolders()) {
  const manifest = manifestOf(folder);
  if (manifest.private === true) continue;
  const dependencies = manifest.dependencies ?? {};
  for (const name of Object.keys(dependencies))
    if (workspaces.get(name)?.private === true)
      complaints.push(`${folder}: it depends on ${name}, which is private: nobody could install it`);
  if (manifest.files?.includes('dist') !== true)
    complaints.push(`${folder}: files has to name dist, which npm leaves out as Git does`);
  const { messages } = await publint({ pkgDir: folder, pack: false, strict: true });
  for (const message of messages)
    complaints.push(`${folder}: ${formatMessage(message, manifest, { color: false })}`);
  for (const [entry, target] of Object.entries(manifest.exports ?? {})) {
    if (typeof target === 'string') continue;
    if (target.types !== undefined)
      checkTypings(folder, entry, path.resolve(folder, target.types), dependencies);
    try {
      await import(pathToFileURL(path.resolve(folder, target.default)).href);
    } catch (error) {
      complaints.push(`${folder}: entry ${entry} cannot be imported: ${error.message}`);
    }
  }
}

for (const complaint of complaints) process.stdout.write(`${complaint}\n`);
process.exitCode = complaints.length > 0 ? 1 : 0;
