/**
 * A small file system of its own for each node, so that a disk can be full: an image file mounted through a loop
 * device, else memory with a limit. Both need root; elsewhere disks are not filled, and the report says so.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { open, rm, statfs, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';

/** Of each node's file system, in MiB; an image file takes what is used of it. */
const sizeMib = 384;
const filler = 'filler';

function run(command: string, ...args: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}

export class Disks {
  /** For people: what stands under the nodes. */
  readonly kind: 'image files' | 'memory' | undefined;
  readonly #directory: string;
  readonly #mounted = new Set<string>();

  private constructor(directory: string, kind: Disks['kind']) {
    this.#directory = directory;
    this.kind = kind;
  }

  /** Finds out what this machine allows. */
  static async probe(directory: string, wanted: boolean): Promise<Disks> {
    if (!wanted || process.platform !== 'linux' || process.getuid?.() !== 0)
      return new Disks(directory, undefined);
    for (const kind of ['image files', 'memory'] as const) {
      const disks = new Disks(directory, kind);
      if ((await disks.add(0)) && (await disks.remove(0))) return disks;
    }
    return new Disks(directory, undefined);
  }

  /** Where node `id` keeps its data. */
  directoryOf(id: number): string {
    return this.kind === undefined
      ? path.join(this.#directory, `node-${id}`)
      : path.join(this.#mountOf(id), 'node');
  }

  /** False when it cannot be made. */
  async add(id: number): Promise<boolean> {
    if (this.kind === undefined) return true;
    const mount = this.#mountOf(id);
    mkdirSync(mount, { recursive: true });
    const made =
      this.kind === 'memory'
        ? run('mount', '-t', 'tmpfs', '-o', `size=${sizeMib}m`, 'tmpfs', mount)
        : await this.#loop(mount);
    if (made) this.#mounted.add(mount);
    return made;
  }

  async remove(id: number): Promise<boolean> {
    const mount = this.#mountOf(id);
    if (!this.#unmount(mount)) return false;
    rmSync(mount, { recursive: true, force: true });
    await rm(`${mount}.img`, { force: true });
    return true;
  }

  /** Takes what is left of the disk of node `id`. */
  async fill(id: number): Promise<void> {
    const file = path.join(this.#mountOf(id), filler);
    const { bavail, bsize } = await statfs(this.#mountOf(id));
    run('fallocate', '-l', String(Math.max(bsize, (bavail - 8) * bsize)), file);
    // The last blocks, which the file system needed for itself or not.
    const handle = await open(file, 'a');
    try {
      for (let i = 0; i < 64; i++) await handle.appendFile(Buffer.alloc(bsize));
    } catch {
      // Full, as it should be.
    } finally {
      await handle.close().catch(() => undefined);
    }
  }

  async free(id: number): Promise<void> {
    await rm(path.join(this.#mountOf(id), filler), { force: true });
  }

  /** At the very end, when nothing can be waited for. */
  removeAllNow(): void {
    for (const mount of [...this.#mounted]) this.#unmount(mount);
  }

  #mountOf(id: number): string {
    return path.join(this.#directory, `disk-${id}`);
  }

  async #loop(mount: string): Promise<boolean> {
    const image = `${mount}.img`;
    await writeFile(image, '');
    await truncate(image, sizeMib * 1024 * 1024);
    if (!run('mkfs.ext4', '-q', '-F', '-m', '0', image)) return false;
    return run('mount', '-o', 'loop', image, mount);
  }

  #unmount(mount: string): boolean {
    if (!this.#mounted.has(mount)) return true;
    // A process that was killed a moment ago may hold it for another one.
    const done = run('umount', mount) || run('umount', '-l', mount);
    if (done) this.#mounted.delete(mount);
    return done;
  }
}
