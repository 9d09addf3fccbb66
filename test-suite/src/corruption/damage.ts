/** Ways in which files go bad, each from a seed. */
import type { Random } from '../child/random.ts';
import type { Tree } from '../power/disk.ts';

export interface Damage {
  readonly what: string;
  readonly tree: Tree;
  /** A whole file is gone: a snapshot that nothing else names goes with it. */
  readonly missing?: boolean;
}

export interface DamageOptions {
  readonly base: Tree;
  /** The same store at an earlier time. */
  readonly older: Tree;
  /** Relative paths of the files that hold data. */
  readonly files: readonly string[];
  readonly random: Random;
}

const blockBytes = 4096;

function contentsOf(tree: Tree, path: string): Buffer {
  return tree.get(path) ?? Buffer.alloc(0);
}

function changed(base: Tree, path: string, bytes: Buffer | undefined): Tree {
  const tree: Tree = new Map(base);
  if (bytes === undefined) tree.delete(path);
  else tree.set(path, bytes);
  return tree;
}

/** Beginnings and ends more often than their share: that is where headers and newest records are. */
function place(random: Random, length: number): number {
  const [from, to] = random.pick([
    [0, Math.min(100, length)],
    [0, Math.min(blockBytes, length)],
    [Math.max(0, length - blockBytes), length],
    [0, length],
    [0, length],
  ] as const);
  return Math.min(length - 1, random.int(from, Math.max(from, to - 1)));
}

export function flippedBit({ base, files, random }: DamageOptions): Damage {
  const path = random.pick(files.filter((file) => contentsOf(base, file).length > 0));
  const bytes = Buffer.from(contentsOf(base, path));
  const offset = place(random, bytes.length);
  const bit = random.int(0, 7);
  bytes[offset] = (bytes[offset] ?? 0) ^ (1 << bit);
  return {
    what: `bit ${String(bit)} of byte ${String(offset)} of ${path} flipped`,
    tree: changed(base, path, bytes),
  };
}

export function truncated({ base, files, random }: DamageOptions): Damage {
  const path = random.pick(files.filter((file) => contentsOf(base, file).length > 0));
  const bytes = contentsOf(base, path);
  const { length } = bytes;
  const lastBlock = Math.floor((length - 1) / blockBytes) * blockBytes;
  const size = random.pick([
    0,
    length - 1,
    lastBlock,
    Math.floor(length / 2),
    Math.min(100, length),
    random.int(0, length - 1),
  ]);
  return {
    what: `${path} cut from ${String(length)} to ${String(size)} bytes`,
    tree: changed(base, path, bytes.subarray(0, size)),
  };
}

function blocksOf(tree: Tree, path: string): number {
  return Math.floor(contentsOf(tree, path).length / blockBytes);
}

/** Two blocks change places, one lands where another belongs, or one is zeros. */
export function misplaced(options: DamageOptions): Damage {
  const { base, files, random } = options;
  const large = files.filter((file) => blocksOf(base, file) >= 2);
  if (large.length === 0) return flippedBit(options);
  const path = random.pick(large);
  const source = contentsOf(base, path);
  const bytes = Buffer.from(source);
  const [one, other] = [random.int(0, blocksOf(base, path) - 1), random.int(0, blocksOf(base, path) - 1)];
  const block = (n: number): Buffer => source.subarray(n * blockBytes, (n + 1) * blockBytes);
  const kind = random.pick(['swapped with', 'also written over', 'zeros, as if never written, not'] as const);
  if (kind === 'zeros, as if never written, not') bytes.fill(0, one * blockBytes, (one + 1) * blockBytes);
  else bytes.set(block(one), other * blockBytes);
  if (kind === 'swapped with') bytes.set(block(other), one * blockBytes);
  return {
    what: `block ${String(one)} of ${path} ${kind} block ${String(other)}`,
    tree: changed(base, path, bytes),
  };
}

/** A write of one block that the device said it had done, and had not. */
export function lostBlock(options: DamageOptions): Damage {
  const { base, older, files, random } = options;
  const known = files.filter((file) => blocksOf(base, file) > 0 && blocksOf(older, file) > 0);
  if (known.length === 0) return misplaced(options);
  const path = random.pick(known);
  const [now, then] = [contentsOf(base, path), contentsOf(older, path)];
  const differing: number[] = [];
  for (let n = 0; n < Math.min(blocksOf(base, path), blocksOf(older, path)); n++) {
    const [from, to] = [n * blockBytes, (n + 1) * blockBytes];
    if (!now.subarray(from, to).equals(then.subarray(from, to))) differing.push(n);
  }
  if (differing.length === 0) return misplaced(options);
  const block = random.pick(differing);
  const bytes = Buffer.from(now);
  bytes.set(then.subarray(block * blockBytes, (block + 1) * blockBytes), block * blockBytes);
  return {
    what: `block ${String(block)} of ${path} as it was earlier`,
    tree: changed(base, path, bytes),
  };
}

/** Every file missing, every file as it was earlier, and neighbours of one kind exchanged. */
export function wholeFiles({ base, older, files }: DamageOptions): Damage[] {
  const damages: Damage[] = [];
  for (const path of files) {
    damages.push({ what: `${path} missing`, tree: changed(base, path, undefined), missing: true });
    const then = older.get(path);
    if (then !== undefined && !then.equals(contentsOf(base, path))) {
      damages.push({ what: `${path} as it was earlier`, tree: changed(base, path, then) });
    }
    const other = files.find((one) => one > path && kindOf(one) === kindOf(path));
    if (other === undefined) continue;
    const tree = changed(base, path, contentsOf(base, other));
    tree.set(other, contentsOf(base, path));
    damages.push({ what: `${path} and ${other} exchanged`, tree });
  }
  return damages;
}

/** Folder and ending: files of one kind are read by the same code. */
function kindOf(path: string): string {
  return `${path.slice(0, path.lastIndexOf('/') + 1)}*${/[^./]*$/.exec(path)?.[0] ?? ''}`;
}
