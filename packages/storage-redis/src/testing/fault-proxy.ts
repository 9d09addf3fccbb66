/** A TCP proxy in front of a server that does to one chosen command what networks do. */
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/**
 * What happens to the first request that contains `match`, from its bytes on:
 * - `cut-before`: nothing of it arrives, the connection is gone.
 * - `cut-during`: half of it arrives, then the connection is gone.
 * - `cut-after`: all of it arrives, the connection is gone before the reply.
 * - `swallow-reply`: all of it arrives; no reply ever comes, and the connection stays.
 * - `delay`: nothing of it arrives until `release`, whatever becomes of the client meanwhile.
 * - `half-close`: all of it arrives, and nothing after it: the server sees the end of its input, and replies.
 */
export type FaultKind = 'cut-before' | 'cut-during' | 'cut-after' | 'swallow-reply' | 'delay' | 'half-close';

export interface Fault {
  readonly kind: FaultKind;
  /** Bytes of the request, as text with one character a byte. Default: any request. */
  readonly match?: string;
}

interface Armed {
  readonly fault: Fault;
  readonly fired: () => void;
}

/** One client's connection and the one to the server that goes with it. */
class Link {
  readonly client: Socket;
  readonly server: Socket;
  swallowing = false;
  /** A fault left it half dead: it is good for nothing more. */
  spoilt = false;
  held: Buffer[] | undefined;

  constructor(client: Socket, server: Socket) {
    this.client = client;
    this.server = server;
  }
}

/** Not to be shared between tests: it does one thing at a time. */
export class FaultProxy {
  readonly #target: { readonly host: string; readonly port: number };
  readonly #server: Server;
  readonly #links = new Set<Link>();
  #armed: Armed | undefined;
  #refusing = false;

  private constructor(target: { readonly host: string; readonly port: number }) {
    this.#target = target;
    this.#server = createServer((client) => {
      this.#accept(client);
    });
  }

  /** Listens on a free port of the loopback address. */
  static async start(target: { readonly host: string; readonly port: number }): Promise<FaultProxy> {
    const proxy = new FaultProxy(target);
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once('error', reject);
      proxy.#server.listen(0, '127.0.0.1', resolve);
    });
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `redis://127.0.0.1:${String(this.port)}`;
  }

  /** Connections that are open now. */
  get connections(): number {
    return this.#links.size;
  }

  /** Resolves when the fault has happened. */
  arm(fault: Fault): Promise<void> {
    return new Promise((fired) => {
      this.#armed = { fault, fired };
    });
  }

  /** What was delayed arrives now. Resolves when the server has answered it, or has ended the connection. */
  async release(): Promise<void> {
    const held = [...this.#links].filter((link) => link.held !== undefined);
    await Promise.all(held.map((link) => this.#releaseOne(link)));
  }

  /** Forgets what is armed, releases what was delayed, and cuts what swallows replies or is half closed. */
  async heal(): Promise<void> {
    this.#armed = undefined;
    await this.release();
    for (const { client, spoilt } of this.#links) if (spoilt) client.destroy();
  }

  /** Cuts every connection. */
  cutAll(): void {
    for (const { client, server } of this.#links) {
      client.destroy();
      server.destroy();
    }
  }

  /** Cuts every client off. What is held of their requests still arrives. */
  cutClients(): void {
    for (const { client } of this.#links) client.destroy();
  }

  /** Takes no connection, or takes them again. */
  refuse(refusing: boolean): void {
    this.#refusing = refusing;
  }

  async close(): Promise<void> {
    this.cutAll();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #releaseOne(link: Link): Promise<void> {
    const { client, server, held = [] } = link;
    const settled = new Promise<void>((resolve) => {
      server.once('data', () => resolve()).once('close', () => resolve());
    });
    link.held = undefined;
    for (const bytes of held) server.write(bytes);
    await settled;
    // Its closing was put off while there was something to deliver.
    if (client.destroyed) server.end();
  }

  #accept(client: Socket): void {
    if (this.#refusing) {
      client.destroy();
      return;
    }
    const server = connect(this.#target);
    const link = new Link(client, server);
    this.#links.add(link);
    for (const socket of [client, server]) socket.on('error', () => undefined);
    client.on('data', (bytes: Buffer | string) => this.#forward(link, Buffer.from(bytes as Buffer)));
    server.on('data', (bytes) => {
      if (!link.swallowing && !client.destroyed) client.write(bytes);
    });
    // A request that is held outlives its client.
    client.on('close', () => {
      if (link.held === undefined) server.end();
    });
    server.on('close', () => {
      this.#links.delete(link);
      client.destroy();
    });
  }

  #forward(link: Link, bytes: Buffer): void {
    if (link.held !== undefined) {
      link.held.push(bytes);
      return;
    }
    const armed = this.#armed;
    if (armed === undefined || !bytes.includes(armed.fault.match ?? '', 0, 'latin1')) {
      link.server.write(bytes);
      return;
    }
    this.#armed = undefined;
    this.#strike(link, bytes, armed.fault.kind);
    armed.fired();
  }

  #strike(link: Link, bytes: Buffer, kind: FaultKind): void {
    const { client, server } = link;
    switch (kind) {
      case 'cut-before':
        client.destroy();
        server.destroy();
        return;
      case 'cut-during':
        server.write(bytes.subarray(0, Math.floor(bytes.length / 2)), () => {
          server.end();
          client.destroy();
        });
        return;
      case 'cut-after':
        link.swallowing = true;
        server.write(bytes, () => client.destroy());
        return;
      case 'swallow-reply':
        link.swallowing = true;
        link.spoilt = true;
        server.write(bytes);
        return;
      case 'delay':
        link.held = [bytes];
        return;
      case 'half-close':
        link.spoilt = true;
        server.write(bytes, () => server.end());
    }
  }
}
