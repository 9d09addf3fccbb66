/** A copy of the built packages, with some sources changed. */
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import ts from 'typescript';
import { applyChange, type Exhibit } from './exhibit.ts';

/** Where each package lies in the repository. */
const packages: Readonly<Record<string, string>> = {
  checker: 'tools/checker',
  kv: 'packages/kv',
  'raft-core': 'packages/raft-core',
  'raft-node': 'packages/raft-node',
  simulator: 'tools/simulator',
  'storage-file': 'packages/storage-file',
  'storage-kit': 'packages/storage-kit',
  'transport-memory': 'packages/transport-memory',
};

/** The sources of an exhibit after its changes, by path. Throws when a change does not apply. */
export function changedSources(root: string, exhibit: Exhibit): Map<string, string> {
  const sources = new Map<string, string>();
  for (const change of exhibit.changes) {
    const before = sources.get(change.file) ?? readFileSync(path.join(root, change.file), 'utf8');
    try {
      sources.set(change.file, applyChange(before, change));
    } catch (cause) {
      throw new Error(`${exhibit.name} no longer applies`, { cause });
    }
  }
  return sources;
}

/** What a package needs and is none of ours is used where it is. */
function linkOthers(root: string, directory: string, packageFile: string): void {
  const { dependencies = {} } = JSON.parse(readFileSync(packageFile, 'utf8')) as {
    readonly dependencies?: Readonly<Record<string, string>>;
  };
  for (const name of Object.keys(dependencies)) {
    const target = path.join(directory, 'node_modules', name);
    if (name.startsWith('@balsa/') || existsSync(target)) continue;
    mkdirSync(path.dirname(target), { recursive: true });
    symlinkSync(path.join(root, 'node_modules', name), target, 'junction');
  }
}

/** Builds the changed copy in a new temporary directory. Resolves with the directory and the copy's hunting program. */
export function buildCopy(
  root: string,
  exhibit: Exhibit,
): { readonly directory: string; readonly program: string } {
  const sources = changedSources(root, exhibit);
  const directory = mkdtempSync(path.join(tmpdir(), 'balsa-museum-'));
  const placeOf = (name: string): string => path.join(directory, 'node_modules', '@balsa', name);
  for (const [name, from] of Object.entries(packages)) {
    cpSync(path.join(root, from, 'package.json'), path.join(placeOf(name), 'package.json'));
    cpSync(path.join(root, from, 'dist'), path.join(placeOf(name), 'dist'), {
      recursive: true,
      filter: (source) => !/\.(map|d\.ts|tsbuildinfo)$/.test(source),
    });
    linkOthers(root, directory, path.join(placeOf(name), 'package.json'));
  }
  for (const [file, text] of sources) {
    const [name, from] = Object.entries(packages).find(([, place]) => file.startsWith(`${place}/src/`)) ?? [];
    if (name === undefined || from === undefined)
      throw new Error(`${exhibit.name}: ${file} is in no package of the copy`);
    const target = file.slice(`${from}/src/`.length).replace(/\.ts$/, '.js');
    const built = ts.transpileModule(text, {
      fileName: file,
      compilerOptions: {
        target: ts.ScriptTarget.ES2023,
        module: ts.ModuleKind.ESNext,
        rewriteRelativeImportExtensions: true,
        verbatimModuleSyntax: true,
      },
    });
    writeFileSync(path.join(placeOf(name), 'dist', target), built.outputText);
  }
  return { directory, program: path.join(placeOf('simulator'), 'dist', 'museum', 'hunt.js') };
}
