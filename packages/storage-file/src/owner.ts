/**
 * One owner of a directory.
 *
 * Two guards. The lock refuses a second opener on the same machine: a local socket, which the kernel
 * closes with the process, whatever a process id would suggest. The fence is in the directory itself: an
 * opener writes its own token into the file `owner`, and whoever finds another's token there before a
 * write has been taken over. It holds where the lock cannot see (another network namespace, a shared
 * disk). A write that was under way at that moment harms nothing: the new owner goes on in a file of its
 * own, whose header says where the old one ends, and the old owner looks at the token once more before
 * it acknowledges.
 */
import { BalsaError } from '@balsa/raft-core';
import { mapIo, type DirectoryLock, type FileHandle, type FileSystem } from '@balsa/storage-kit';

export { socketLock, type DirectoryLock } from '@balsa/storage-kit';

/** For file systems that are not the machine's own: the fence alone keeps order. */
export const noLock: DirectoryLock = {
  acquire: () => Promise.resolve(() => Promise.resolve()),
};

/** The token in the directory. */
export class Fence {
  readonly #handle: FileHandle;
  readonly #path: string;
  readonly #token: string;

  private constructor(handle: FileHandle, path: string, token: string) {
    this.#handle = handle;
    this.#path = path;
    this.#token = token;
  }

  /**
   * Takes the directory over. `token` is sixteen characters that no other owner has. It need not
   * survive a power cut: no owner does.
   */
  static async take(fs: FileSystem, path: string, token: string): Promise<Fence> {
    const handle = await mapIo('open', path, async () =>
      fs.open(path, (await fs.size(path)) === undefined ? 'create' : 'update'),
    );
    try {
      await mapIo('write', path, () => handle.write([new TextEncoder().encode(token)], 0));
    } catch (error) {
      await handle.close();
      throw error;
    }
    return new Fence(handle, path, token);
  }

  /** `STORE_FENCED` when another has taken over. */
  async check(): Promise<void> {
    const bytes = new Uint8Array(this.#token.length);
    await mapIo('read', this.#path, () => this.#handle.read(bytes, 0));
    if (new TextDecoder().decode(bytes) === this.#token) return;
    throw new BalsaError('STORE_FENCED', `another owner has taken over ${this.#path} from this one`, {
      details: { path: this.#path },
    });
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}
