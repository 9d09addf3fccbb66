/**
 * The server of a served store: it has the files, and does for its clients what they call. Started with
 * BALSA_SERVED, JSON of `Served`; says "ready" when it listens.
 */
import { createServer, type Socket } from 'node:net';
import { rmSync } from 'node:fs';
import { Entry, BalsaError, type Engine, type EntryType } from '@balsa/raft-core';
import { createNodeEnv } from '@balsa/raft-node';
import { openFileEngine } from '@balsa/storage-file';
import { brokenFileSystem, isFaultName } from '../file/broken-file-system.ts';
import { onFrames, plainError, sendFrame, type Answer, type Call, type RemoteObject } from './protocol.ts';

export interface Served {
  readonly directory: string;
  readonly socket: string;
  /** A fault of broken-file-system.ts, or none. */
  readonly fault?: string;
}

const shownProperties = ['id', 'chunkCount', 'snapshot', 'appliedIndex', 'count', 'capabilities'] as const;

function propertiesOf(object: object): Record<string, unknown> {
  const entries = shownProperties.flatMap((name) => {
    const value: unknown = Reflect.get(object, name);
    return value === undefined || typeof value === 'function' ? [] : [[name, value] as const];
  });
  return Object.fromEntries(entries);
}

const isObject = (value: unknown): value is object =>
  typeof value === 'object' &&
  value !== null &&
  ('close' in value || 'commit' in value || 'release' in value);

/** What a call gave, with entries as what they are again. */
function revived(argument: unknown): unknown {
  if (typeof argument !== 'object' || argument === null || !('entries' in argument)) return argument;
  if (!Array.isArray(argument.entries)) return argument;
  const entries = (argument.entries as readonly Entry[]).map(
    ({ term, index, type, data, context }) => new Entry(term, index, type satisfies EntryType, data, context),
  );
  return { ...argument, entries };
}

/** One connection: its engine and what was made of it. */
class Session {
  readonly #socket: Socket;
  readonly #open: () => Promise<Engine>;
  readonly #objects = new Map<number, object>();
  /** Why an object that the client has a number for could not be made. */
  readonly #failures = new Map<number, unknown>();
  #engine: Promise<Engine> | undefined;
  #next = 1;

  constructor(socket: Socket, open: () => Promise<Engine>) {
    this.#socket = socket;
    this.#open = open;
    onFrames(socket, (value) => void this.#take(value as Call));
  }

  async end(): Promise<void> {
    const engine = await this.#engine?.catch(() => undefined);
    await engine?.close().catch(() => undefined);
  }

  async #take(call: Call): Promise<void> {
    let answer: Answer;
    try {
      answer = await this.#perform(call);
    } catch (error) {
      answer = { call: call.call, error: plainError(error) };
    }
    if (this.#socket.writable) sendFrame(this.#socket, answer);
  }

  async #perform({ call, object, method, arguments: given, as }: Call): Promise<Answer> {
    if (object === 0) {
      this.#engine = this.#open();
      return { call, object: this.#keep(await this.#engine) };
    }
    if (this.#failures.has(object)) throw this.#failures.get(object);
    const called = this.#objects.get(object);
    if (called === undefined) throw new BalsaError('STORE_NOT_OPEN', `there is no object ${String(object)}`);
    const name = method === '[asyncDispose]' ? Symbol.asyncDispose : method;
    const work: unknown = Reflect.get(called, name);
    if (typeof work !== 'function') throw new TypeError(`there is no method ${method}`);
    if (as !== undefined) return this.#make(call, as, () => work.apply(called, [...given]) as object);
    const value: unknown = await work.apply(called, given.map(revived));
    const properties = propertiesOf(called);
    return isObject(value) ? { call, object: this.#keep(value), properties } : { call, value, properties };
  }

  /** At once: what the client calls next on it comes right behind. */
  #make(call: number, as: number, make: () => object): Answer {
    try {
      this.#objects.set(as, make());
      return { call };
    } catch (error) {
      this.#failures.set(as, error);
      throw error;
    }
  }

  #keep(value: object): RemoteObject {
    const remote = this.#next;
    this.#next += 2;
    this.#objects.set(remote, value);
    return { remote, properties: propertiesOf(value) };
  }
}

function serve({ directory, socket: path, fault }: Served): void {
  const env = createNodeEnv();
  const sessions = new Set<Session>();
  const endings = new Set<Promise<void>>();
  const open = async (): Promise<Engine> => {
    // A client that was killed leaves its owner's place when its connection has ended.
    await new Promise((resolve) => env.setTimer(0, () => resolve(undefined)));
    await Promise.all(endings);
    const fs = fault !== undefined && isFaultName(fault) ? { fs: brokenFileSystem(fault) } : {};
    return openFileEngine({ directory, env, segmentBytes: 64 * 1024, ...fs });
  };
  const server = createServer((socket) => {
    const session = new Session(socket, open);
    sessions.add(session);
    socket.on('error', () => undefined);
    socket.on('close', () => {
      sessions.delete(session);
      const ending = session.end().finally(() => endings.delete(ending));
      endings.add(ending);
    });
  });
  rmSync(path, { force: true });
  server.listen(path, () => process.stdout.write('ready\n'));
  process.once('SIGTERM', () => {
    void Promise.all([...sessions].map((session) => session.end())).then(() => process.exit(0));
  });
}

serve(JSON.parse(process.env['BALSA_SERVED'] ?? '{}') as Served);
