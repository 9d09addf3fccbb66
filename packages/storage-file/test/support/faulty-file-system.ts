/**
 * A file system in memory that knows what was synced: it can lose power at any operation, and come back
 * with everything, nothing, or some torn part of what was not synced; and it can fail any operation.
 */
import type { FileHandle, FileSystem, OpenMode } from '@balsa/storage-kit';

type Change =
  | { readonly kind: 'write'; readonly position: number; readonly bytes: Uint8Array }
  | { readonly kind: 'truncate'; readonly size: number };

class Inode {
  content: Uint8Array = new Uint8Array(0);
  durable: Uint8Array = new Uint8Array(0);
  pending: Change[] = [];

  change(change: Change): void {
    this.pending.push(change);
    this.content = applied(this.content, change);
  }

  sync(): void {
    this.durable = this.content;
    this.pending = [];
  }
}

function applied(content: Uint8Array, change: Change): Uint8Array {
  const size =
    change.kind === 'truncate'
      ? change.size
      : Math.max(content.length, change.position + change.bytes.length);
  const next = new Uint8Array(size);
  next.set(content.subarray(0, size));
  if (change.kind === 'write') next.set(change.bytes, change.position);
  return next;
}

class Directory {
  names = new Map<string, Inode>();
  durable = new Map<string, Inode>();
  /** The names after each change since the last sync. */
  history: Map<string, Inode>[] = [];

  change(run: (names: Map<string, Inode>) => void): void {
    run(this.names);
    this.history.push(new Map(this.names));
  }
}

/** What becomes of what was not synced. */
export type Survival = 'nothing' | 'everything' | 'some';

export class PowerLost extends Error {}

export class FaultyFileSystem implements FileSystem {
  readonly #directories = new Map<string, Directory>();
  #life = 0;
  /** Operations so far in this life. */
  operations = 0;
  /** The operation, counted from 1, at which the power goes: it has no effect. */
  crashAt = Infinity;
  /** The operation, counted from 1, that fails; a write leaves its first half behind. */
  failAt = Infinity;
  failed: string | undefined;

  /** Ends this life and begins the next. Handles of the old one are dead. */
  reboot(survival: Survival, random: () => number): void {
    this.#life++;
    this.operations = 0;
    this.crashAt = Infinity;
    this.failAt = Infinity;
    for (const directory of this.#directories.values()) {
      const states = [directory.durable, ...directory.history];
      const at = { nothing: 0, everything: states.length - 1, some: Math.floor(random() * states.length) };
      directory.names = new Map(states[at[survival]]);
      directory.durable = new Map(directory.names);
      directory.history = [];
      for (const inode of directory.names.values()) settle(inode, survival, random);
    }
  }

  async open(path: string, mode: OpenMode): Promise<FileHandle> {
    const [directory, name] = this.#locate(path);
    this.#operate(`open ${mode} ${path}`);
    const present = directory.names.get(name);
    if (mode === 'create') {
      if (present !== undefined) throw systemError('EEXIST', path);
      const inode = new Inode();
      directory.change((names) => names.set(name, inode));
      return this.#handle(inode, path);
    }
    if (present === undefined) throw systemError('ENOENT', path);
    return this.#handle(present, path);
  }

  async rename(from: string, to: string): Promise<void> {
    const [source, fromName] = this.#locate(from);
    const [target, toName] = this.#locate(to);
    this.#operate(`rename ${from}`);
    const inode = source.names.get(fromName);
    if (inode === undefined || source !== target) throw systemError('ENOENT', from);
    source.change((names) => {
      names.delete(fromName);
      names.set(toName, inode);
    });
  }

  async remove(path: string): Promise<void> {
    const [directory, name] = this.#locate(path);
    this.#operate(`remove ${path}`);
    if (directory.names.has(name)) directory.change((names) => names.delete(name));
  }

  async makeDirectory(path: string): Promise<void> {
    this.#operate(`mkdir ${path}`);
    if (!this.#directories.has(path)) this.#directories.set(path, new Directory());
  }

  async list(path: string): Promise<string[]> {
    this.#operate(`list ${path}`);
    return [...(this.#directories.get(path)?.names.keys() ?? [])];
  }

  async size(path: string): Promise<number | undefined> {
    const [directory, name] = this.#locate(path);
    this.#operate(`size ${path}`);
    return directory.names.get(name)?.content.length;
  }

  async syncDirectory(path: string): Promise<void> {
    this.#operate(`syncdir ${path}`);
    const directory = this.#directories.get(path);
    if (directory === undefined) return;
    directory.durable = new Map(directory.names);
    directory.history = [];
  }

  join(...parts: readonly string[]): string {
    const path = parts.join('/');
    return path.endsWith('/..') ? path.split('/').slice(0, -2).join('/') : path;
  }

  #locate(path: string): [Directory, string] {
    const cut = path.lastIndexOf('/');
    const directory = this.#directories.get(path.slice(0, cut));
    if (directory === undefined) throw systemError('ENOENT', path);
    return [directory, path.slice(cut + 1)];
  }

  /** Throws when the power is gone; true when this is the operation that is to fail. */
  #count(what: string): boolean {
    this.operations++;
    if (this.operations >= this.crashAt) throw new PowerLost(`the power went at ${what}`);
    if (this.operations !== this.failAt) return false;
    this.failed = what;
    return true;
  }

  #operate(what: string): void {
    if (this.#count(what)) throw systemError('EIO', what);
  }

  #handle(inode: Inode, path: string): FileHandle {
    const life = this.#life;
    const alive = (what: string): boolean => {
      if (life !== this.#life) throw new PowerLost('a handle of an earlier life');
      return this.#count(`${what} ${path}`);
    };
    const sync = async (): Promise<void> => {
      if (alive('sync')) throw systemError('EIO', path);
      inode.sync();
    };
    return {
      read: async (buffer, position) => {
        if (alive('read')) throw systemError('EIO', path);
        const part = inode.content.subarray(position, position + buffer.length);
        buffer.set(part);
        return part.length;
      },
      write: async (buffers, position) => {
        const bytes = Uint8Array.from(buffers.flatMap((buffer) => [...buffer]));
        if (alive('write')) {
          inode.change({ kind: 'write', position, bytes: bytes.slice(0, bytes.length >> 1) });
          throw systemError('ENOSPC', path);
        }
        inode.change({ kind: 'write', position, bytes });
      },
      truncate: async (size) => {
        if (alive('truncate')) throw systemError('EIO', path);
        inode.change({ kind: 'truncate', size });
      },
      sync,
      dataSync: sync,
      size: async () => inode.content.length,
      close: () => Promise.resolve(),
    };
  }
}

function settle(inode: Inode, survival: Survival, random: () => number): void {
  if (survival === 'everything') inode.durable = inode.content;
  if (survival === 'some') {
    for (const change of inode.pending) {
      const luck = random();
      if (luck < 0.3) continue;
      const torn = luck < 0.6 && change.kind === 'write';
      const cut = torn ? Math.floor(random() * change.bytes.length) : 0;
      inode.durable = applied(
        inode.durable,
        torn ? { ...change, bytes: change.bytes.slice(0, cut) } : change,
      );
    }
  }
  inode.content = inode.durable;
  inode.pending = [];
}

function systemError(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code });
}
