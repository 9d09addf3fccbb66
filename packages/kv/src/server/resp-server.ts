import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { BalsaError, LogLevel, type Timer } from '@balsa/raft-core';
import { encodeReply } from '../resp/reply-writer.ts';
import { error } from '../resp/reply.ts';
import { Connection } from './connection.ts';
import type { KvService } from './service.ts';

/** Where to listen. */
export interface ListenOptions {
  /** Default `127.0.0.1`: there is no authentication, so other machines are let in only when told to. */
  readonly host?: string;
  /** 0 for any free one. */
  readonly port: number;
}

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** Accepts RESP clients and gives each a `Connection`. */
export class RespServer {
  readonly #service: KvService;
  readonly #server: Server;
  readonly #connections = new Set<Connection>();
  #nextId = 1;
  #whenEmpty: (() => void) | undefined;

  constructor(service: KvService) {
    this.#service = service;
    this.#server = createServer({ allowHalfOpen: true }, (socket) => {
      this.#accept(socket);
    });
  }

  /** Rejects with `ADDRESS_IN_USE`. */
  listen(options: ListenOptions): Promise<ListenAddress> {
    return listenOn(this.#server, options, 'RESP');
  }

  #accept(socket: Socket): void {
    const service = this.#service;
    if (this.#connections.size >= service.limits.maxClients || service.stopping) {
      service.counters.connectionsRefused += 1;
      socket.on('error', () => {
        // It is being closed anyway.
      });
      socket.end(encodeReply(error('ERR max number of clients reached'), 2));
      socket.resume();
      return;
    }
    service.counters.connectionsAccepted += 1;
    const id = this.#nextId++;
    const connection = new Connection(id, socket, service, () => {
      this.#connections.delete(connection);
      service.connections.delete(id);
      if (this.#connections.size === 0) this.#whenEmpty?.();
    });
    this.#connections.add(connection);
    service.connections.set(id, connection.session);
  }

  /** Accepts no one any more, lets what is under way be answered for at most `drainMs`, then cuts. */
  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => {
        resolve();
      });
    });
    for (const connection of this.#connections) connection.drain();
    let timer: Timer | undefined;
    if (this.#connections.size > 0) {
      await new Promise<void>((resolve) => {
        this.#whenEmpty = resolve;
        timer = this.#service.env.setTimer(this.#service.limits.drainMs, resolve);
      });
    }
    timer?.cancel();
    for (const connection of this.#connections) {
      if (!connection.idle) {
        this.#service.env.log.log(LogLevel.Warn, 'kv: a client was cut off with commands under way', {
          client: connection.session.address,
        });
      }
      connection.destroy();
    }
    await closed;
  }
}

/** Listens, and says `ADDRESS_IN_USE` and the address when it is taken. */
export function listenOn(server: Server, options: ListenOptions, what: string): Promise<ListenAddress> {
  const host = options.host ?? '127.0.0.1';
  return new Promise((resolve, reject) => {
    const onError = (cause: NodeJS.ErrnoException): void => {
      const place = `${host}:${String(options.port)}`;
      reject(
        cause.code === 'EADDRINUSE'
          ? new BalsaError('ADDRESS_IN_USE', `${what}: ${place} is taken; choose another port`, {
              cause,
              details: { host, port: options.port },
            })
          : new BalsaError('INVALID_CONFIG', `${what}: cannot listen on ${place}: ${cause.message}`, {
              cause,
            }),
      );
    };
    server.once('error', onError);
    server.listen({ host, port: options.port }, () => {
      server.off('error', onError);
      const address = server.address() as AddressInfo;
      resolve({ host, port: address.port });
    });
  });
}
