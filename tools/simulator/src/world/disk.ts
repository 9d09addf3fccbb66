/**
 * A simulated disk, and the file system that a process has on it.
 *
 * Every call takes virtual time, and has its effect at the end of it. A process that dies leaves calls under
 * way: each of them had its effect or had not. When the power goes, too, what was not synced is lost, torn or
 * kept at random, sector by sector and name by name.
 */
import type { Timer } from '@balsa/raft-core';
import type { FileHandle, FileSystem, OpenMode } from '@balsa/storage-kit';
import type { Chance } from './chance.ts';
import { world, type Clock, type Owner } from './clock.ts';
import { Directory, type Node } from './directory.ts';
import { Inode, type Losses, type Survival } from './inode.ts';

/** What is wrong with the disk at the moment. */
export interface DiskTrouble {
  /** Calls take so many times longer. */
  slowness: number;
  /** Syncs, and reads of what is not in memory, do not end before this time. */
  stalledUntil: number;
  /** Chance that a read, a write or a sync fails. */
  failing: number;
  /** Writes and new files are refused. */
  full: boolean;
}

export interface DiskCounts {
  reads: number;
  writes: number;
  syncs: number;
  directorySyncs: number;
  errors: number;
  bytesWritten: number;
}

export type DiskMishap = 'failed call' | 'call without space' | 'call cut off' | 'lost write' | 'torn write';

interface Call {
  /** Undefined once it took place. */
  effect: (() => void) | undefined;
}

export interface DiskOptions {
  readonly clock: Clock;
  readonly chance: Chance;
  /** Milliseconds of a sync, least and greatest. */
  readonly syncMs: readonly [number, number];
  readonly onCall: (what: string, path: string) => void;
  /** Told of what went wrong: so many calls or writes of a kind. */
  readonly onTrouble: (what: DiskMishap, count: number) => void;
}

function systemError(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: simulated, ${path}`), { code });
}

/** Calls that do not end while a disk is stalled. */
const stalling: ReadonlySet<string> = new Set(['sync', 'read of the disk']);

export class Disk {
  readonly trouble: DiskTrouble = { slowness: 1, stalledUntil: 0, failing: 0, full: false };
  readonly counts: DiskCounts = {
    reads: 0,
    writes: 0,
    syncs: 0,
    directorySyncs: 0,
    errors: 0,
    bytesWritten: 0,
  };
  readonly root: Directory = new Directory();
  readonly #options: DiskOptions;
  readonly #underWay = new Set<Call>();
  /** Calls that wait until the disk stalls no longer. */
  readonly #stalled = new Set<{ readonly owner: Owner; readonly timer: Timer; readonly goOn: () => void }>();
  #trap: { calls: number; readonly spring: () => void; readonly reads: boolean } | undefined;

  constructor(options: DiskOptions) {
    this.#options = options;
  }

  /** The process dies, the machine stays: what it wrote is in the page cache. */
  kill(): void {
    const { chance, onTrouble } = this.#options;
    onTrouble('call cut off', this.#underWay.size);
    for (const call of this.#underWay) if (chance.happens(0.5)) call.effect?.();
    this.#underWay.clear();
    this.#stalled.clear();
  }

  /**
   * Runs `spring` while one of the next calls, or with `reads` of the next reads, is under way: the one after `calls`
   * others. Replaces an earlier trap.
   */
  trap(calls: number, spring: () => void, reads = false): void {
    this.#trap = { calls, spring, reads };
  }

  disarm(): void {
    this.#trap = undefined;
  }

  losePower(survival: Survival): void {
    this.kill();
    const losses: Losses = { lost: 0, torn: 0 };
    this.root.losePower(survival, this.#options.chance, losses);
    this.#options.onTrouble('lost write', losses.lost);
    this.#options.onTrouble('torn write', losses.torn);
  }

  /** For one life of the node: it ends with `owner`. */
  fileSystem(owner: Owner): FileSystem {
    return new DiskFileSystem(this, owner);
  }

  /** Does `effect` after the time that it takes, or never, when the process dies first. */
  call<T>(owner: Owner, what: string, path: string, ms: number, effect: () => T): Promise<T> {
    const { clock, onCall } = this.#options;
    if (!owner.alive) return new Promise(() => undefined);
    return new Promise((resolve, reject) => {
      const call: Call = {
        effect: () => {
          call.effect = undefined;
          // What failed as the process died failed unseen.
          try {
            effect();
          } catch {
            this.counts.errors++;
          }
        },
      };
      this.#underWay.add(call);
      const finish = (): void => {
        this.#underWay.delete(call);
        onCall(what, path);
        try {
          resolve(effect());
        } catch (error) {
          this.counts.errors++;
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      };
      const wait = (): void => {
        const stalled = stalling.has(what) ? this.trouble.stalledUntil - clock.now : 0;
        if (stalled > 0) this.#wait(owner, stalled, wait);
        else finish();
      };
      const takes = ms * this.trouble.slowness;
      this.#stepOnTrap(what, takes);
      clock.set(owner, takes, wait);
    });
  }

  #wait(owner: Owner, ms: number, goOn: () => void): void {
    const { clock } = this.#options;
    const timer = clock.set(owner, ms, () => {
      this.#stalled.delete(waiting);
      goOn();
    });
    const waiting = { owner, timer, goOn };
    this.#stalled.add(waiting);
  }

  /** Ends a stall before its time. */
  unstall(): void {
    this.trouble.stalledUntil = 0;
    const stalled = [...this.#stalled];
    this.#stalled.clear();
    for (const { owner, timer, goOn } of stalled) {
      timer.cancel();
      this.#options.clock.set(owner, 0, goOn);
    }
  }

  #stepOnTrap(what: string, ms: number): void {
    if (this.#trap === undefined || (this.#trap.reads && !what.startsWith('read'))) return;
    if (this.#trap.calls-- > 0) return;
    const { spring } = this.#trap;
    this.#trap = undefined;
    this.#options.clock.set(world, this.#options.chance.between(0, ms), spring);
  }

  quickMs(): number {
    return this.#options.chance.between(0.005, 0.05);
  }

  /**
   * Mostly a read is answered from memory. What is not there takes as long as a disk does, and hangs when it hangs; whoever is
   * slow for that reason has little memory.
   */
  read(owner: Owner, path: string, effect: () => number): Promise<number> {
    const { slowness, stalledUntil } = this.trouble;
    const troubled = slowness > 1 || stalledUntil > this.#options.clock.now;
    const cold = this.#options.chance.happens(troubled ? 0.5 : 0.1);
    const ms = cold ? this.syncMs() / 2 : this.quickMs();
    return this.call(owner, cold ? 'read of the disk' : 'read', path, ms, effect);
  }

  syncMs(): number {
    const [low, high] = this.#options.syncMs;
    return this.#options.chance.skewed(low, high);
  }

  /** Throws the error of a failing or full disk, if it is the turn of one. */
  assertWorks(path: string, needsSpace: boolean): void {
    if (needsSpace && this.trouble.full) {
      this.#options.onTrouble('call without space', 1);
      throw systemError('ENOSPC', path);
    }
    if (this.trouble.failing > 0 && this.#options.chance.happens(this.trouble.failing)) {
      this.#options.onTrouble('failed call', 1);
      throw systemError('EIO', path);
    }
  }

  get chance(): Chance {
    return this.#options.chance;
  }

  find(path: string): Node | undefined {
    let node: Node | undefined = this.root;
    for (const part of partsOf(path)) {
      node = node instanceof Directory ? node.names.get(part) : undefined;
    }
    return node;
  }

  directory(path: string): Directory {
    const node = this.find(path);
    if (!(node instanceof Directory)) throw systemError('ENOENT', path);
    return node;
  }

  /** The directory that a path is in, and its last name. */
  place(path: string): readonly [Directory, string] {
    const parts = partsOf(path);
    const name = parts.pop();
    if (name === undefined) throw systemError('EINVAL', path);
    return [this.directory(parts.join('/')), name];
  }
}

function partsOf(path: string): string[] {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return parts;
}

class DiskFileSystem implements FileSystem {
  readonly #disk: Disk;
  readonly #owner: Owner;

  constructor(disk: Disk, owner: Owner) {
    this.#disk = disk;
    this.#owner = owner;
  }

  open(path: string, mode: OpenMode): Promise<FileHandle> {
    return this.#quick('open', path, () => {
      const disk = this.#disk;
      const found = disk.find(path);
      if (mode !== 'create') {
        if (!(found instanceof Inode)) throw systemError('ENOENT', path);
        return new DiskFile(disk, this.#owner, found, path);
      }
      if (found !== undefined) throw systemError('EEXIST', path);
      disk.assertWorks(path, true);
      const [directory, name] = disk.place(path);
      const inode = new Inode();
      directory.set(name, inode);
      return new DiskFile(disk, this.#owner, inode, path);
    });
  }

  rename(from: string, to: string): Promise<void> {
    return this.#quick('rename', to, () => {
      const disk = this.#disk;
      const node = disk.find(from);
      if (node === undefined) throw systemError('ENOENT', from);
      disk.assertWorks(to, false);
      const [source, oldName] = disk.place(from);
      const [target, newName] = disk.place(to);
      if (source === target) source.rename(oldName, newName, node);
      else {
        target.set(newName, node);
        source.remove(oldName);
      }
    });
  }

  remove(path: string): Promise<void> {
    return this.#quick('remove', path, () => {
      if (this.#disk.find(path) === undefined) return;
      const [directory, name] = this.#disk.place(path);
      directory.remove(name);
    });
  }

  makeDirectory(path: string): Promise<void> {
    return this.#quick('mkdir', path, () => {
      let directory = this.#disk.root;
      for (const part of partsOf(path)) {
        const next = directory.names.get(part);
        if (next instanceof Directory) directory = next;
        else if (next === undefined) {
          this.#disk.assertWorks(path, true);
          const made = new Directory();
          directory.set(part, made);
          directory = made;
        } else throw systemError('ENOTDIR', path);
      }
    });
  }

  list(path: string): Promise<string[]> {
    return this.#quick('list', path, () => [...this.#disk.directory(path).names.keys()]);
  }

  size(path: string): Promise<number | undefined> {
    return this.#quick('stat', path, () => {
      const node = this.#disk.find(path);
      return node instanceof Inode ? node.size : undefined;
    });
  }

  syncDirectory(path: string): Promise<void> {
    return this.#disk.call(this.#owner, 'sync', path, this.#disk.syncMs(), () => {
      this.#disk.assertWorks(path, false);
      this.#disk.counts.directorySyncs++;
      this.#disk.directory(path).sync();
    });
  }

  join(...parts: readonly string[]): string {
    return `/${partsOf(parts.join('/')).join('/')}`;
  }

  #quick<T>(what: string, path: string, effect: () => T): Promise<T> {
    return this.#disk.call(this.#owner, what, path, this.#disk.quickMs(), effect);
  }
}

class DiskFile implements FileHandle {
  readonly #disk: Disk;
  readonly #owner: Owner;
  readonly #inode: Inode;
  readonly #path: string;

  constructor(disk: Disk, owner: Owner, inode: Inode, path: string) {
    this.#disk = disk;
    this.#owner = owner;
    this.#inode = inode;
    this.#path = path;
  }

  read(buffer: Uint8Array, position: number): Promise<number> {
    return this.#disk.read(this.#owner, this.#path, () => {
      this.#disk.assertWorks(this.#path, false);
      this.#disk.counts.reads++;
      return this.#inode.read(buffer, position);
    });
  }

  write(buffers: readonly Uint8Array[], position: number): Promise<void> {
    const data = joined(buffers);
    return this.#quick('write', () => {
      const { counts, chance } = this.#disk;
      try {
        this.#disk.assertWorks(this.#path, true);
      } catch (error) {
        // What fails may have got some way, or all of it.
        const part = chance.happens(0.3) ? data : data.slice(0, chance.below(data.length + 1));
        if (part.length > 0 && chance.happens(0.5)) this.#inode.write(part, position);
        throw error;
      }
      counts.writes++;
      counts.bytesWritten += data.length;
      this.#inode.write(data, position);
    });
  }

  truncate(size: number): Promise<void> {
    return this.#quick('truncate', () => {
      this.#disk.assertWorks(this.#path, false);
      this.#inode.truncate(size);
    });
  }

  sync(): Promise<void> {
    const { newest } = this.#inode;
    return this.#disk.call(this.#owner, 'sync', this.#path, this.#disk.syncMs(), () => {
      try {
        this.#disk.assertWorks(this.#path, false);
      } catch (error) {
        this.#inode.syncPartly(this.#disk.chance);
        throw error;
      }
      this.#disk.counts.syncs++;
      this.#inode.sync(newest);
    });
  }

  dataSync(): Promise<void> {
    return this.sync();
  }

  size(): Promise<number> {
    return this.#quick('stat', () => this.#inode.size);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #quick<T>(what: string, effect: () => T): Promise<T> {
    return this.#disk.call(this.#owner, what, this.#path, this.#disk.quickMs(), effect);
  }
}

function joined(buffers: readonly Uint8Array[]): Uint8Array {
  const [only] = buffers;
  if (buffers.length === 1 && only !== undefined) return only.slice();
  let length = 0;
  for (const buffer of buffers) length += buffer.length;
  const data = new Uint8Array(length);
  let at = 0;
  for (const buffer of buffers) {
    data.set(buffer, at);
    at += buffer.length;
  }
  return data;
}
