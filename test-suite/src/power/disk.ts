/**
 * A disk with a page cache, rebuilt from what the shim recorded: for each file and directory, what a sync made
 * durable and what was only written. A power cut keeps the durable, and of the rest whatever it likes.
 *
 * The rules are POSIX's and no more, because that is all that every file system keeps: a sync of a file makes its
 * bytes and its size durable, not its name; a name is durable once its directory was synced; what was not synced
 * survives in any order, in sectors of 512 bytes, or as a size without its bytes. A sync that failed makes nothing
 * durable, and no later one does: the kernel has marked the pages clean.
 */
import { dirname } from 'node:path';
import type { TraceOperation } from '../shim/trace.ts';

export const sectorBytes = 512;

/** A change of a file that was not synced yet. */
export interface DataChange {
  readonly sequence: number;
  readonly offset: number;
  /** Bytes; undefined for a change of size alone. */
  readonly data: Uint8Array | undefined;
  /** For a change of size: the new one. */
  readonly size: number;
  /** A sync failed over it: it may survive, and no later sync makes sure of it. */
  doomed: boolean;
}

class FileNode {
  readonly kind = 'file';
  durable: Buffer = Buffer.alloc(0);
  /** What `durable` shows; undefined once a tree shows it, too, and nothing may be written into it any more. */
  image: Image | undefined;
  pending: DataChange[] = [];
}

class DirectoryNode {
  readonly kind = 'directory';
}

type Node = FileNode | DirectoryNode;

/** A change of names that was not synced yet: `unbind` goes, `bind` comes. */
export interface NameChange {
  readonly sequence: number;
  readonly unbind: string | undefined;
  readonly bind: { readonly path: string; readonly node: Node } | undefined;
}

/** How one unsynced change of bytes survives. */
export type DataFate =
  | 'lost'
  | 'whole'
  /** The file has grown, but its new bytes are zeros. */
  | 'size-only'
  /** Sectors for which this says yes. */
  | ((sector: number) => boolean);

/** Chooses what survives. */
export interface Fate {
  data(change: DataChange): DataFate;
  name(change: NameChange): boolean;
}

/** Everything reached the disk: what the death of the process alone leaves. */
export const everything: Fate = { data: () => 'whole', name: () => true };

/** Nothing that was not synced. */
export const lost: Fate = { data: () => 'lost', name: () => false };

/** Relative paths; undefined contents are directories. */
export type Tree = Map<string, Buffer | undefined>;

export class Disk {
  readonly root: string;
  #names = new Map<string, Node>();
  #durableNames = new Map<string, Node>();
  #pendingNames: NameChange[] = [];
  readonly #handles = new Map<number, { readonly node: Node; path: string }>();
  readonly #nodes = new Set<FileNode>();
  #sequence = 0;

  /** `start` is there already, and durable. */
  constructor(root: string, start: Tree = new Map()) {
    this.root = root;
    this.#names.set(root, new DirectoryNode());
    for (const [path, bytes] of start) {
      const node = bytes === undefined ? new DirectoryNode() : new FileNode();
      if (node.kind === 'file' && bytes !== undefined) {
        node.durable = bytes;
        this.#nodes.add(node);
      }
      this.#names.set(`${root}/${path}`, node);
    }
    this.#durableNames = new Map(this.#names);
  }

  /** Descriptors of an earlier process mean nothing to the next. */
  endProcess(): void {
    this.#handles.clear();
  }

  /** How much is pending: a cut where nothing is leaves one state only. */
  get pendingCount(): number {
    let count = this.#pendingNames.length;
    for (const node of this.#nodes) count += node.pending.length;
    return count;
  }

  get sequence(): number {
    return this.#sequence;
  }

  /** Of each file with unsynced bytes: its unsynced changes, by their sequence. */
  unsyncedByFile(): ReadonlySet<number>[] {
    const files = new Set<FileNode>();
    for (const node of this.#names.values())
      if (node.kind === 'file' && node.pending.length > 0) files.add(node);
    return [...files].map(({ pending }) => new Set(pending.map(({ sequence }) => sequence)));
  }

  apply(operation: TraceOperation): void {
    switch (operation.op) {
      case 'open': {
        this.#open(operation);
        return;
      }
      case 'write': {
        this.#write(operation);
        return;
      }
      case 'truncate': {
        this.#resize(operation.handle, operation.size);
        return;
      }
      case 'allocate': {
        this.#allocate(operation);
        return;
      }
      case 'sync': {
        this.#sync(operation.handle);
        return;
      }
      case 'sync-failed':
        for (const change of this.#fileOf(operation.handle)?.pending ?? []) change.doomed = true;
        return;
      case 'sync-all':
        for (const node of this.#nodes) settle(node);
        for (const change of this.#pendingNames.splice(0)) rename(this.#durableNames, change);
        return;
      case 'unseen':
      case 'mark':
        return;
      default: {
        this.#changeNames(operation);
        return;
      }
    }
  }

  /** The directory as a power cut of this fate leaves it. */
  after(fate: Fate): Tree {
    const names = new Map(this.#durableNames);
    for (const change of this.#pendingNames) if (fate.name(change)) rename(names, change);
    const tree: Tree = new Map();
    for (const [path, node] of [...names].sort(([a], [b]) => (a < b ? -1 : 1))) {
      if (path === this.root) continue;
      const parent = dirname(path);
      // What lies in a directory whose own name was lost is lost with it.
      if (parent !== this.root && !names.has(parent)) continue;
      const relative = path.slice(this.root.length + 1);
      tree.set(relative, node.kind === 'file' ? contents(node, fate) : undefined);
    }
    return tree;
  }

  #open(operation: Extract<TraceOperation, { op: 'open' }>): void {
    let node = this.#names.get(operation.path);
    if (node === undefined) {
      node = operation.directory ? new DirectoryNode() : new FileNode();
      if (node.kind === 'file') this.#nodes.add(node);
      this.#change({ unbind: undefined, bind: { path: operation.path, node } });
    }
    this.#handles.set(operation.handle, { node, path: operation.path });
    if (operation.truncated) this.#resize(operation.handle, 0);
  }

  #fileOf(handle: number): FileNode | undefined {
    const node = this.#handles.get(handle)?.node;
    return node?.kind === 'file' ? node : undefined;
  }

  #write({ handle, offset, data, synchronous }: Extract<TraceOperation, { op: 'write' }>): void {
    const node = this.#fileOf(handle);
    if (node === undefined) return;
    node.pending.push({ sequence: this.#next(), offset, data, size: 0, doomed: false });
    if (synchronous) settle(node);
  }

  #resize(handle: number, size: number): void {
    this.#fileOf(handle)?.pending.push({
      sequence: this.#next(),
      offset: 0,
      data: undefined,
      size,
      doomed: false,
    });
  }

  #allocate({ handle, offset, length, mode }: Extract<TraceOperation, { op: 'allocate' }>): void {
    const node = this.#fileOf(handle);
    if (node === undefined) return;
    const keepsSize = (mode & 1) !== 0;
    const zeroes = (mode & ~1) !== 0;
    const size = contents(node, everything).length;
    const end = keepsSize ? Math.min(size, offset + length) : offset + length;
    if (zeroes && end > offset) {
      node.pending.push({
        sequence: this.#next(),
        offset,
        data: Buffer.alloc(end - offset),
        size: 0,
        doomed: false,
      });
    } else if (!keepsSize && end > size) this.#resize(handle, end);
  }

  #sync(handle: number): void {
    const opened = this.#handles.get(handle);
    if (opened === undefined) return;
    if (opened.node.kind === 'file') {
      settle(opened.node);
      return;
    }
    const { path } = opened;
    const touches = (change: NameChange): boolean =>
      (change.unbind !== undefined && dirname(change.unbind) === path) ||
      (change.bind !== undefined && dirname(change.bind.path) === path);
    let kept: NameChange[] = [];
    for (const change of this.#pendingNames) {
      if (touches(change)) {
        rename(this.#durableNames, change);
        // A name that has moved to another directory does not come back with its creation.
        kept = kept.filter(({ bind }) => bind === undefined || bind.path !== change.unbind);
      } else kept.push(change);
    }
    this.#pendingNames = kept;
  }

  #changeNames(
    operation: Extract<
      TraceOperation,
      { path: string; op: 'rename' | 'link' | 'unlink' | 'mkdir' | 'rmdir' }
    >,
  ): void {
    const { path } = operation;
    if (operation.op === 'rename' || operation.op === 'link') {
      const node = this.#names.get(path);
      if (node === undefined) return;
      const unbind = operation.op === 'rename' ? path : undefined;
      this.#change({ unbind, bind: { path: operation.to, node } });
      return;
    }
    if (operation.op === 'mkdir') {
      this.#change({ unbind: undefined, bind: { path, node: new DirectoryNode() } });
      return;
    }
    this.#change({ unbind: path, bind: undefined });
  }

  #change(change: Omit<NameChange, 'sequence'>): void {
    const numbered = { ...change, sequence: this.#next() };
    rename(this.#names, numbered);
    this.#pendingNames.push(numbered);
  }

  #next(): number {
    return ++this.#sequence;
  }
}

/** Applies a change of names; what lies below a directory moves and goes with it. */
function rename(names: Map<string, Node>, { unbind, bind }: NameChange): void {
  if (bind !== undefined) {
    names.set(bind.path, bind.node);
    if (unbind !== undefined && bind.node.kind === 'directory') {
      for (const [path, node] of [...names]) {
        if (!path.startsWith(`${unbind}/`)) continue;
        names.delete(path);
        names.set(bind.path + path.slice(unbind.length), node);
      }
    }
  }
  // Of two names of one file, the old one goes only if it still means this file.
  if (unbind !== undefined && (bind === undefined || unbind !== bind.path)) names.delete(unbind);
}

/** A sync: what is pending becomes durable, but for what an earlier sync failed over. */
function settle(node: FileNode): void {
  if (node.pending.length === 0) return;
  const kept = node.pending.filter((change) => change.doomed);
  const image = node.image ?? new Image(node.durable);
  for (const change of node.pending) if (!change.doomed) image.write(change, 'whole');
  node.image = image;
  node.durable = image.bytes();
  node.pending = kept;
}

function contents(node: FileNode, fate: Fate): Buffer {
  if (node.pending.length === 0) {
    node.image = undefined;
    return node.durable;
  }
  const image = new Image(node.durable);
  for (const change of node.pending) image.write(change, fate.data(change));
  return image.bytes();
}

/** Bytes that grow and shrink without being copied each time. */
class Image {
  #buffer: Buffer;
  #length: number;

  constructor(start: Buffer) {
    this.#buffer = Buffer.from(start);
    this.#length = start.length;
  }

  write(change: DataChange, fate: DataFate): void {
    if (fate === 'lost') return;
    const { data, offset } = change;
    if (data === undefined) {
      this.#resize(change.size);
      return;
    }
    const end = offset + data.length;
    if (fate === 'size-only') {
      if (end > this.#length) this.#resize(end);
      return;
    }
    if (fate === 'whole') {
      if (end > this.#length) this.#resize(end);
      this.#buffer.set(data, offset);
      return;
    }
    for (let at = offset; at < end;) {
      const sector = Math.floor(at / sectorBytes);
      const stop = Math.min(end, (sector + 1) * sectorBytes);
      if (fate(sector)) {
        if (stop > this.#length) this.#resize(stop);
        this.#buffer.set(data.subarray(at - offset, stop - offset), at);
      }
      at = stop;
    }
  }

  bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  #resize(size: number): void {
    if (size > this.#buffer.length) {
      const grown = Buffer.alloc(Math.max(size, this.#buffer.length * 2));
      this.#buffer.copy(grown, 0, 0, this.#length);
      this.#buffer = grown;
    } else if (size > this.#length) this.#buffer.fill(0, this.#length, size);
    this.#length = size;
  }
}
