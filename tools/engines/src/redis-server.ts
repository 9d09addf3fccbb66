/**
 * A Redis server of a place's own, below its directory.
 *
 * Two servers on one append-only file would destroy it, and Redis itself has no lock. The server ends with the
 * process that started it, but a moment later; so who comes next asks the one before, which left its address,
 * whether it is still there.
 */
import { mkdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isBalsaError } from '@balsa/raft-core';
import { EngineChoiceError } from './errors.ts';
import type { EngineServer } from './source.ts';

/** A server whose parent is gone ends well within this, in milliseconds. */
const leftoverMs = 5_000;
const lookMs = 50;

interface ServerNote {
  readonly host: string;
  readonly port: number;
}

async function readNote(file: string): Promise<ServerNote | undefined> {
  try {
    const { host, port } = JSON.parse(await readFile(file, 'utf8')) as Partial<ServerNote>;
    return typeof host === 'string' && typeof port === 'number' ? { host, port } : undefined;
  } catch {
    // It is a hint, written anew at every start; one that a crash cut short tells of no server that lives.
    return undefined;
  }
}

/** What the server there says its data directory is; undefined when nobody answers, or nobody of that kind. */
function directoryOf({ host, port }: ServerNote): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    let text = '';
    const end = (): void => {
      socket.destroy();
      resolve(/\$3\r\ndir\r\n\$\d+\r\n([^\r]*)\r\n/.exec(text)?.[1]);
    };
    socket.setEncoding('utf8').setTimeout(lookMs * 10, end);
    socket.on('data', (part: Buffer | string) => {
      text += String(part);
      if (/\$3\r\ndir\r\n\$\d+\r\n[^\r]*\r\n/.test(text) || text.startsWith('-')) end();
    });
    socket.once('error', end).once('close', end);
    socket.write('CONFIG GET dir\r\n');
  });
}

const noteName = 'server.json';

/** The server that holds the data in `directory` now, if it was started by `startServer`. */
export async function serverOf(directory: string): Promise<ServerNote | undefined> {
  const note = await readNote(path.join(directory, noteName));
  // The server names its directory without the links on the way to it.
  return note !== undefined && (await directoryOf(note)) === (await realpath(directory)) ? note : undefined;
}

/** Resolves when no server of an earlier life holds `data`. */
async function untilAlone(data: string): Promise<void> {
  for (let waited = 0; ; waited += lookMs) {
    const note = await serverOf(data);
    if (note === undefined) return;
    if (waited >= leftoverMs) {
      throw new EngineChoiceError(
        `a Redis server that was started earlier still runs on ${data}, at ${note.host}:${String(note.port)}: ` +
          `end it first, for example with "redis-cli -p ${String(note.port)} shutdown"`,
      );
    }
    await sleep(lookMs);
  }
}

/** Installs it where it can; else it says how. */
function installed(ensure: () => string): string {
  try {
    return ensure();
  } catch (error) {
    if (isBalsaError(error)) throw new EngineChoiceError(error.message, { cause: error });
    throw error;
  }
}

/** Starts, or installs and starts, a server with durable settings in `directory`, beside the watermark. */
export async function startServer(directory: string): Promise<EngineServer> {
  const { ensureRedisServer, RedisServer } = await import('@balsa/storage-redis/testing');
  const data = path.resolve(directory);
  const noteFile = path.join(directory, noteName);
  const program = installed(ensureRedisServer);
  await mkdir(data, { recursive: true });
  await untilAlone(data);
  const server = await RedisServer.start({ directory: data, program });
  await writeFile(noteFile, `${JSON.stringify({ host: server.host, port: server.port })}\n`);
  return {
    url: server.url,
    pid: () => server.pid,
    start: (extraEnv) => server.start(extraEnv),
    stop: async () => {
      await server.stop();
      await rm(noteFile, { force: true });
    },
    kill: () => server.kill(),
    restart: (extraEnv) => server.restart(extraEnv),
  };
}
