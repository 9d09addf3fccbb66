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
import { createHash } from 'node:crypto';
import { rm, stat } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BalsaError } from '@balsa/raft-core';
import { mapIo, type FileHandle, type FileSystem } from '@balsa/storage-kit';

/** Keeps a second opener out for as long as the first lives. */
export interface DirectoryLock {
  /** `STORE_LOCKED` when another live owner holds it. Resolves with what releases it. */
  acquire(directory: string): Promise<() => Promise<void>>;
}

/** For file systems that are not the machine's own: the fence alone keeps order. */
export const noLock: DirectoryLock = {
  acquire: () => Promise.resolve(() => Promise.resolve()),
};

/** A local socket named after the directory's place on the disk, so that every path to it is the same. */
export const socketLock: DirectoryLock = {
  async acquire(directory) {
    const { dev, ino } = await mapIo('look at', directory, () => stat(directory, { bigint: true }));
    const key = createHash('sha256')
      .update(`${String(dev)}:${String(ino)}`)
      .digest('hex')
      .slice(0, 32);
    const address = socketAddress(key);
    let server = await listen(address);
    if (server === undefined && address.startsWith('/') && !(await answers(address))) {
      // Left by a dead owner. Of two who remove it at once, the fence stops one.
      await rm(address, { force: true });
      server = await listen(address);
    }
    if (server === undefined) {
      throw new BalsaError(
        'STORE_LOCKED',
        `${directory} is held by another engine; stop the process that has it open, or use a directory of its own`,
        { details: { directory } },
      );
    }
    const held = server;
    return () =>
      new Promise((resolve) => {
        held.close(() => {
          resolve();
        });
      });
  },
};

/** Linux and Windows have names that vanish with the process; elsewhere it is a file. */
function socketAddress(key: string): string {
  if (process.platform === 'linux') return `\0balsa-${key}`;
  if (process.platform === 'win32') return `\\\\?\\pipe\\balsa-${key}`;
  return join(tmpdir(), `balsa-${key}.sock`);
}

/** Undefined when the address is taken. */
function listen(address: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(undefined);
      else
        reject(
          new BalsaError('STORE_IO', `cannot lock by a local socket: ${error.message}`, { cause: error }),
        );
    });
    // Exclusive: a worker of node:cluster would otherwise share the socket of its siblings.
    server.listen({ path: address, exclusive: true }, () => {
      server.unref();
      resolve(server);
    });
  });
}

function answers(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(address);
    const end = (alive: boolean): void => {
      socket.destroy();
      resolve(alive);
    };
    socket.once('connect', () => {
      end(true);
    });
    socket.once('error', () => {
      end(false);
    });
  });
}

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
