/**
 * One of three processes that keep the same bytes, with nothing of Raft and of a store: what comes together is written to
 * a file and synced, and a SET is answered when two files have it. It knows no elections, no terms, no checksums, and
 * what it wrote is never read again. Started with the path of its file, and for the leader with the ports of the others.
 */
import { fdatasyncSync, openSync, writeSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { commandBytes } from './load.ts';

const host = '127.0.0.1';
/** In front of what the leader sends a follower: how many bytes follow. */
const headBytes = 4;
const ok = Buffer.from('+OK\r\n');

class BareFile {
  readonly #fd: number;

  constructor(path: string) {
    this.#fd = openSync(path, 'a');
  }

  append(bytes: Buffer): void {
    writeSync(this.#fd, bytes);
    fdatasyncSync(this.#fd);
  }
}

/** Answers one byte for each piece that it has. */
function follow(file: BareFile): Server {
  return createServer({ noDelay: true }, (socket) => {
    let held: Buffer = Buffer.alloc(0);
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
      let whole = 0;
      let pieces = 0;
      while (held.length - whole >= headBytes) {
        const next = whole + headBytes + held.readUInt32LE(whole);
        if (next > held.length) break;
        whole = next;
        pieces++;
      }
      if (pieces === 0) return;
      file.append(held.subarray(0, whole));
      held = held.subarray(whole);
      socket.write(Buffer.alloc(pieces, 1));
    });
  });
}

class BareLeader {
  readonly #file: BareFile;
  readonly #followers: readonly Socket[];
  /** Pieces that each has, the leader first. */
  readonly #has = [0, 0, 0];
  #gathered: Buffer[] = [];
  #unanswered: { readonly client: Socket; readonly piece: number }[] = [];
  #piece = 0;
  #scheduled = false;

  constructor(file: BareFile, ports: readonly number[]) {
    this.#file = file;
    this.#followers = ports.map((port, i) => this.#connect(port, i + 1));
  }

  readonly serve = (client: Socket): void => {
    let got = 0;
    client.on('error', () => undefined);
    client.on('data', (chunk: Buffer) => {
      this.#gathered.push(chunk);
      for (got += chunk.length; got >= commandBytes; got -= commandBytes)
        this.#unanswered.push({ client, piece: this.#piece + 1 });
      if (this.#scheduled) return;
      this.#scheduled = true;
      setImmediate(() => this.#write());
    });
  };

  #connect(port: number, place: number): Socket {
    const buffer = Buffer.alloc(1024);
    const callback = (length: number): boolean => {
      this.#acknowledged(place, length);
      return true;
    };
    return connect({ host, port, noDelay: true, onread: { buffer, callback } });
  }

  /** First to the others, whose disks work while this one does. */
  #write(): void {
    this.#scheduled = false;
    const body = Buffer.concat(this.#gathered);
    this.#gathered = [];
    this.#piece++;
    const head = Buffer.alloc(headBytes);
    head.writeUInt32LE(body.length);
    const piece = Buffer.concat([head, body]);
    for (const socket of this.#followers) socket.write(piece);
    setImmediate(() => {
      this.#file.append(piece);
      this.#acknowledged(0, 1);
    });
  }

  #acknowledged(place: number, pieces: number): void {
    this.#has[place] = (this.#has[place] ?? 0) + pieces;
    const [, ofTwo = 0] = [...this.#has].sort((a, b) => b - a);
    const waiting = this.#unanswered.findIndex(({ piece }) => piece > ofTwo);
    const answered = this.#unanswered.splice(0, waiting < 0 ? this.#unanswered.length : waiting);
    for (const { client } of answered) client.write(ok);
  }
}

const [, , path = '', ...ports] = process.argv;
const file = new BareFile(path);
const leads = ports.length > 0;
const server = leads
  ? createServer({ noDelay: true }, new BareLeader(file, ports.map(Number)).serve)
  : follow(file);
server.listen(0, host, () => process.send?.((server.address() as AddressInfo).port));
// The one that started it is gone, whatever became of it.
process.on('disconnect', () => process.exit());
