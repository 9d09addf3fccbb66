/** Every package is fit to publish (publint), and every entry that its exports name can be imported as built. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { workspaceFolders } from './clean.mjs';
import { repositoryRoot } from './process.mjs';

process.chdir(repositoryRoot);
const complaints = [];

for (const folder of workspaceFolders()) {
  const manifest = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'));
  if (manifest.private === true) continue;
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
