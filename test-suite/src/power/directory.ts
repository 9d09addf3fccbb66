/** Directories as trees in memory: read, written and compared. */
import { mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { dirname, join } from 'node:path';
import type { Tree } from './disk.ts';

export function readTree(root: string, below = ''): Tree {
  const tree: Tree = new Map();
  for (const name of readdirSync(join(root, below)).sort()) {
    const relative = below === '' ? name : `${below}/${name}`;
    const path = join(root, relative);
    const found = statSync(path);
    if (found.isDirectory()) {
      tree.set(relative, undefined);
      for (const [inner, bytes] of readTree(root, relative)) tree.set(inner, bytes);
    } else if (found.isFile()) tree.set(relative, readFileSync(path));
  }
  return tree;
}

/** Empties the directory and fills it. Nothing in it may be open. */
export function writeTree(root: string, tree: Tree): void {
  mkdirSync(root, { recursive: true });
  for (const name of readdirSync(root)) rmSync(join(root, name), { recursive: true, force: true });
  for (const [relative, bytes] of tree) {
    const path = join(root, relative);
    if (bytes === undefined) {
      mkdirSync(path, { recursive: true });
      continue;
    }
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, bytes);
  }
}

export function treeHash(tree: Tree): string {
  const hash = createHash('sha1');
  for (const [path, bytes] of tree) {
    hash.update(`${path}\0${bytes === undefined ? 'd' : String(bytes.length)}\0`);
    if (bytes !== undefined) hash.update(bytes);
  }
  return hash.digest('hex');
}
