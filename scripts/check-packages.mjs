/**
 * Every package is fit to publish (publint), needs none that is not published, packs what was built, and every entry
 * that its exports name can be imported.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { workspaceFolders } from './clean.mjs';
import { repositoryRoot } from './process.mjs';

process.chdir(repositoryRoot);
const complaints = [];
const manifests = new Map(
  workspaceFolders().map((folder) => [
    folder,
    JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8')),
  ]),
);
const keptHere = new Set(
  [...manifests.values()].filter((one) => one.private === true).map(({ name }) => name),
);

for (const [folder, manifest] of manifests) {
  if (manifest.private === true) continue;
  for (const needed of Object.keys(manifest.dependencies ?? {}))
    if (keptHere.has(needed))
      complaints.push(`${folder}: whoever installs it cannot get ${needed}, which is private`);
  if (manifest.files?.includes('dist') !== true)
    complaints.push(`${folder}: files has to name dist, which npm leaves out as Git does`);
  const { messages } = await publint({ pkgDir: folder, pack: false, strict: true });
  for (const message of messages)
    complaints.push(`${folder}: ${formatMessage(message, manifest, { color: false })}`);
  for (const [entry, target] of Object.entries(manifest.exports ?? {})) {
    if (typeof target === 'string') continue;
    try {
      await import(pathToFileURL(path.resolve(folder, target.default)).href);
    } catch (error) {
      complaints.push(`${folder}: entry ${entry} cannot be imported: ${error.message}`);
    }
  }
}

for (const complaint of complaints) process.stdout.write(`${complaint}\n`);
process.exitCode = complaints.length > 0 ? 1 : 0;
