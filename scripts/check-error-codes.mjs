/** Every registered error code is used by some source, and every used one is registered. */
import { globFiles, repositoryRoot } from './sources.mjs';
import { readFileSync } from 'node:fs';

process.chdir(repositoryRoot);
const registryFile = 'packages/raft-core/src/errors.ts';
const { errorRegistry } = await import(new URL('../packages/raft-core/dist/errors.js', import.meta.url).href);

const used = new Set();
const thrown = new Map();
for (const file of globFiles(
  ['packages', 'test-suite', 'tools'],
  (name) => name.includes('/src/') && name.endsWith('.ts'),
)) {
  if (file === registryFile) continue;
  const text = readFileSync(file, 'utf8');
  for (const [, code] of text.matchAll(/['"`]([A-Z][A-Z_]+)['"`]/g)) used.add(code);
  for (const [, code] of text.matchAll(/new BalsaError\(\s*'([A-Z_]+)'/g)) thrown.set(code, file);
}

const complaints = [];
for (const code of Object.keys(errorRegistry)) {
  if (!used.has(code)) complaints.push(`${code} is registered in ${registryFile}, but no source uses it`);
}
for (const [code, file] of thrown) {
  if (!Object.hasOwn(errorRegistry, code))
    complaints.push(`${code} is thrown in ${file}, but not registered`);
}
for (const complaint of complaints) process.stdout.write(`${complaint}\n`);
process.exitCode = complaints.length > 0 ? 1 : 0;
