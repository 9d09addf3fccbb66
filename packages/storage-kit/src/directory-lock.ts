/**
 * A lock on a directory that its owner's death releases, whatever a process id would suggest. It sees the
 * openers on one machine (in one network namespace); what lies beyond needs a fence.
 */
import { createHash } from 'node:crypto';
import { rm, stat } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BalsaError } from '@balsa/raft-core';
import { mapIo } from './durable.ts';

/** Keeps a second opener out for as long as the first lives. */
export interface DirectoryLock {
  /** `STORE_LOCKED` when another live owner holds it. Resolves with what releases it. */
  acquire(directory: string): Promise<() => Promise<void>>;
}

/** A local socket named after the directory's place on the disk, so that every path to it is the same. */
export const socketLock: DirectoryLock = {
  async acquire(directory) {
    const address = await addressOf(directory);
    let server = await listen(address);
    if (server === undefined && address.startsWith('/') && !(await answers(address))) {
      // Left by a dead owner. Of two who remove it at once, only a fence stops one.
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

/** Whether a live owner on this machine holds it, found out by a connection that the owner drops at once. */
export async function isSocketLocked(directory: string): Promise<boolean> {
  return answers(await addressOf(directory));
}

async function addressOf(directory: string): Promise<string> {
  const { dev, ino } = await mapIo('look at', directory, () => stat(directory, { bigint: true }));
  const key = createHash('sha256')
    .update(`${String(dev)}:${String(ino)}`)
    .digest('hex')
    .slice(0, 32);
  return socketAddress(key);
}

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
