/**
 * The network between the nodes of a cluster, with faults that come and go, each for one direction of one pair.
 *
 * A proxy stands before each node. Who dials is told by the first frame of Balsa's transport, which names its sender;
 * until that has come, nothing is passed on.
 */
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { HostPort } from './addresses.ts';

/**
 * - `cut`: connections are reset, and new ones too.
 * - `drop`: bytes vanish, and the connection stays, until it is healed and reset: what is missing cannot come later.
 * - `delay`: bytes arrive late, and so does what is behind them.
 */
export type LinkFault =
  { readonly kind: 'cut' } | { readonly kind: 'drop' } | { readonly kind: 'delay'; readonly ms: number };

interface Connection {
  readonly from: number;
  readonly to: number;
  readonly sockets: readonly [Socket, Socket];
  /** Bytes of it have vanished. */
  spoiled: boolean;
}

const host = '127.0.0.1';
/** A first frame is well below this, in bytes. */
const maxHelloBytes = 64 * 1024;
const sender = /"nodeId":(\d{1,15})[,}]/;

const link = (from: number, to: number): string => `${from}>${to}`;

export class Network {
  readonly #faults = new Map<string, LinkFault>();
  readonly #proxies = new Map<number, { readonly server: Server; readonly address: HostPort }>();
  readonly #connections = new Set<Connection>();
  readonly #unknown = new Set<Socket>();

  /** Puts a proxy before node `id`, which listens at `target`; resolves with where the others are to dial. */
  async attach(id: number, target: HostPort): Promise<HostPort> {
    const server = createServer({ noDelay: true }, (socket) => {
      this.#greet(socket, id, target);
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host, port: 0 }, resolve);
    });
    const address = { host, port: (server.address() as AddressInfo).port };
    this.#proxies.set(id, { server, address });
    return address;
  }

  /** Takes the proxy of a node that is gone for good away. */
  detach(id: number): void {
    this.#proxies.get(id)?.server.close();
    this.#proxies.delete(id);
    for (const one of [...this.#connections]) if (one.from === id || one.to === id) this.#reset(one);
  }

  /** Of one direction; in the place of the fault before. */
  set(from: number, to: number, fault: LinkFault): void {
    this.#faults.set(link(from, to), fault);
    if (fault.kind !== 'cut') return;
    for (const one of [...this.#connections]) if (this.#isCut(one.from, one.to)) this.#reset(one);
  }

  /** Ends all faults. */
  heal(): void {
    this.#faults.clear();
    for (const one of [...this.#connections]) if (one.spoiled) this.#reset(one);
  }

  async close(): Promise<void> {
    for (const socket of this.#unknown) socket.destroy();
    for (const one of [...this.#connections]) this.#reset(one);
    await Promise.all(
      [...this.#proxies.values()].map(
        ({ server }) =>
          new Promise<void>((resolve) => {
            server.close(() => {
              resolve();
            });
          }),
      ),
    );
    this.#proxies.clear();
  }

  /** A connection needs both directions. */
  #isCut(a: number, b: number): boolean {
    return this.#faults.get(link(a, b))?.kind === 'cut' || this.#faults.get(link(b, a))?.kind === 'cut';
  }

  #greet(socket: Socket, to: number, target: HostPort): void {
    let head = Buffer.alloc(0);
    this.#unknown.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => this.#unknown.delete(socket));
    const onData = (chunk: Buffer): void => {
      head = Buffer.concat([head, chunk]);
      const match = sender.exec(head.toString('latin1'));
      if (match === null) {
        if (head.length > maxHelloBytes) socket.destroy();
        return;
      }
      socket.off('data', onData);
      socket.pause();
      this.#unknown.delete(socket);
      this.#join(socket, Number(match[1]), to, target, head);
    };
    socket.on('data', onData);
  }

  #join(socket: Socket, from: number, to: number, target: HostPort, head: Buffer): void {
    if (this.#isCut(from, to)) {
      socket.resetAndDestroy();
      return;
    }
    const onward = connect({ ...target, noDelay: true });
    const connection: Connection = { from, to, sockets: [socket, onward], spoiled: false };
    this.#connections.add(connection);
    for (const one of connection.sockets) {
      one.on('error', () => undefined);
      one.once('close', () => {
        this.#connections.delete(connection);
        for (const other of connection.sockets) other.destroy();
      });
    }
    onward.once('connect', () => {
      this.#pass(connection, head, from, to, onward, socket);
      this.#pump(connection, socket, onward, from, to);
      this.#pump(connection, onward, socket, to, from);
    });
  }

  #pump(connection: Connection, source: Socket, target: Socket, from: number, to: number): void {
    source.on('data', (chunk) => {
      this.#pass(connection, chunk, from, to, target, source);
    });
    source.resume();
  }

  #pass(
    connection: Connection,
    chunk: Buffer,
    from: number,
    to: number,
    target: Socket,
    source: Socket,
  ): void {
    const fault = this.#faults.get(link(from, to));
    if (fault?.kind === 'drop') connection.spoiled = true;
    // What follows a gap would be taken for damage.
    if (connection.spoiled) return;
    const write = (): void => {
      if (target.destroyed || target.write(chunk)) source.resume();
      else target.once('drain', () => source.resume());
    };
    source.pause();
    if (fault?.kind === 'delay') setTimeout(write, fault.ms);
    else write();
  }

  #reset({ sockets }: Connection): void {
    for (const socket of sockets) socket.resetAndDestroy();
  }
}
