/** The client of a served store: an Engine whose every call goes over a socket. */
import { connect, type Socket } from 'node:net';
import {
  BalsaError,
  Entry,
  type Engine,
  type OrderedStore,
  type Storage,
  type StorageCapabilities,
} from '@balsa/raft-core';
import { onFrames, revivedError, sendFrame, type Answer, type RemoteObject } from './protocol.ts';

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly changes: boolean;
  readonly properties: Record<string, unknown>;
}

/** Calls that change nothing: when the connection is lost, nothing is unknown about them. */
const reads: readonly string[] = [
  ...['entries', 'listSnapshots', 'openSnapshot', 'stats', 'chunk', 'getMany', 'range', 'count', 'view'],
  ...['bytes', 'identity', 'listGroups', 'release', 'close', '[asyncDispose]', 'open'],
];

class Connection {
  readonly #socket: Socket;
  readonly #waiting = new Map<number, Waiting>();
  #calls = 0;
  #objects = 2;
  #closing = false;
  #lost: Error | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    onFrames(socket, (value) => this.#take(value as Answer));
    socket.on('error', (error) => this.#lose(error));
    socket.on('close', () => this.#lose(new Error('the server has gone')));
  }

  /** The engine is being closed: nothing is sent any more. */
  finish(): void {
    this.#closing = true;
  }

  end(): void {
    this.#socket.end();
  }

  nextObject(): number {
    this.#objects += 2;
    return this.#objects;
  }

  call(
    object: number,
    method: string,
    given: readonly unknown[],
    properties: Record<string, unknown> = {},
    as?: number,
  ): Promise<unknown> {
    const changes = !reads.includes(method);
    if (this.#closing || this.#lost !== undefined) {
      if (method === 'close' || method === '[asyncDispose]') return Promise.resolve();
      if (this.#closing) return Promise.reject(new BalsaError('STORE_CLOSED', 'the engine is closed'));
      return Promise.reject(
        new BalsaError('STORE_POISONED', 'the connection to the server was lost', { cause: this.#lost }),
      );
    }
    const call = ++this.#calls;
    return new Promise((resolve, reject) => {
      this.#waiting.set(call, { resolve, reject, changes, properties });
      sendFrame(this.#socket, {
        call,
        object,
        method,
        arguments: given,
        ...(as !== undefined && { as }),
      });
    });
  }

  #take({ call, error, value, object, properties }: Answer): void {
    const waiting = this.#waiting.get(call);
    if (waiting === undefined) return;
    this.#waiting.delete(call);
    Object.assign(waiting.properties, properties);
    if (error !== undefined) waiting.reject(revivedError(error));
    else waiting.resolve(object === undefined ? revivedValue(value) : this.#proxy(object));
  }

  #lose(cause: Error): void {
    this.#lost ??= cause;
    for (const { reject, changes } of this.#waiting.values()) {
      const [code, what] = changes
        ? (['STORE_UNKNOWN_OUTCOME', 'whether it happened is not known'] as const)
        : (['STORE_IO', 'it cannot be read'] as const);
      reject(new BalsaError(code, `the connection was lost: ${what}`, { cause }));
    }
    this.#waiting.clear();
  }

  #proxy({ remote, properties }: RemoteObject): object {
    return this.proxy(remote, { ...properties });
  }

  /** Any method of the object over there; `own` come first. */
  proxy(object: number, properties: Record<string, unknown>, own: object = {}): object {
    return new Proxy(own, {
      get: (target, name) => {
        if (Reflect.has(target, name)) return Reflect.get(target, name) as unknown;
        if (typeof name === 'string' && name in properties) return properties[name];
        // What can be awaited is asked for `then`: these objects cannot.
        if (name === 'then') return undefined;
        const method = name === Symbol.asyncDispose ? '[asyncDispose]' : name;
        if (typeof method !== 'string') return undefined;
        return (...given: unknown[]) => this.call(object, method, given, properties);
      },
    });
  }
}

function isEntryLike(value: unknown): value is Entry {
  return typeof value === 'object' && value !== null && 'term' in value && 'data' in value;
}

function revivedValue(value: unknown): unknown {
  if (!Array.isArray(value)) return value;
  return value.map((one: unknown) =>
    isEntryLike(one) ? new Entry(one.term, one.index, one.type, one.data, one.context) : one,
  );
}

/** Opens the engine of the server that listens there. */
export async function openServedEngine({ socket: path }: { readonly socket: string }): Promise<Engine> {
  const socket = connect(path);
  await new Promise((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', (cause) => reject(new BalsaError('STORE_IO', `no server at ${path}`, { cause })));
  });
  const connection = new Connection(socket);
  try {
    const opened = (await connection.call(0, 'open', [])) as Engine;
    return new ServedEngine(connection, opened);
  } catch (error) {
    connection.end();
    throw error;
  }
}

class ServedEngine implements Engine {
  readonly capabilities: StorageCapabilities;
  readonly #connection: Connection;
  readonly #remote: Engine;
  readonly #remoteId = 1;
  readonly #parts = new Map<string, object>();
  #closed: Promise<void> | undefined;

  constructor(connection: Connection, remote: Engine) {
    this.#connection = connection;
    this.#remote = remote;
    this.capabilities = Object.freeze({ ...remote.capabilities, engine: 'served file' });
  }

  identity(): ReturnType<Engine['identity']> {
    return this.#remote.identity();
  }

  stamp(...given: Parameters<Engine['stamp']>): Promise<void> {
    return this.#remote.stamp(...given);
  }

  listGroups(): Promise<string[]> {
    return this.#remote.listGroups();
  }

  destroyGroup(id: string): Promise<void> {
    return this.#remote.destroyGroup(id);
  }

  group(id: string): Storage {
    if (id.length < 1 || id.length > 256)
      throw new BalsaError('INVALID_ARGUMENT', `a group id has 1 to 256 units, not ${String(id.length)}`);
    return this.#part('group', id, { groupId: id }) as Storage;
  }

  orderedStore(name: string): OrderedStore {
    return this.#part('orderedStore', name, {}) as OrderedStore;
  }

  close(): Promise<void> {
    if (this.#closed === undefined) {
      this.#closed = this.#remote.close().finally(() => {
        this.#connection.end();
      });
      this.#connection.finish();
    }
    return this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** The same object for the same name until it is closed. */
  #part(method: 'group' | 'orderedStore', name: string, properties: Record<string, unknown>): object {
    if (this.#closed !== undefined) throw new BalsaError('STORE_CLOSED', 'the engine is closed');
    const key = `${method} ${name}`;
    const known = this.#parts.get(key);
    if (known !== undefined) return known;
    const object = this.#connection.nextObject();
    // What goes wrong in making it is told by the first call on it.
    void this.#connection.call(this.#remoteId, method, [name], {}, object).catch(() => undefined);
    const close = async (): Promise<void> => {
      if (this.#parts.get(key) === made) this.#parts.delete(key);
      await this.#connection.call(object, 'close', []);
    };
    const made = this.#connection.proxy(object, properties, { close, [Symbol.asyncDispose]: close });
    this.#parts.set(key, made);
    return made;
  }
}
