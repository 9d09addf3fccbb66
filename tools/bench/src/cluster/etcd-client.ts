/**
 * A client of etcd in a closed loop, as cheap as the one that speaks RESP: its own connection, one Put under way,
 * and of HTTP/2 and gRPC no more than that takes. A full client library would cost as much as the server, and both
 * share a machine here.
 */
import type { Socket } from 'node:net';
import type { PayloadPool } from '../measure/payload-pool.ts';
import { keyDigits, keys, openSocket, valueBytes, type Address, type SetClient } from './load.ts';

const Frame = { Data: 0, Headers: 1, Reset: 3, Settings: 4, Ping: 6, GoAway: 7, WindowUpdate: 8 } as const;
const endHeaders = 4;
const endStream = 1;
const acknowledged = 1;
const headBytes = 9;
/** Of a connection, before anything is said about it. */
const initialWindow = 65_535;

function frame(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const bytes = Buffer.alloc(headBytes + payload.length);
  bytes.writeUIntBE(payload.length, 0, 3);
  bytes.writeUInt8(type, 3);
  bytes.writeUInt8(flags, 4);
  bytes.writeUInt32BE(stream, 5);
  bytes.set(payload, headBytes);
  return bytes;
}

/** A string of HPACK below 127 bytes, as it is. */
function plain(text: string): Buffer {
  return Buffer.from(`${String.fromCharCode(text.length)}${text}`, 'latin1');
}

/** Headers of every request, none of them entered into a table: HPACK (RFC 7541), names by their static index. */
function requestHeaders(authority: string): Buffer {
  const [postMethod, httpScheme, path, host] = [0x83, 0x86, 0x04, 0x01];
  const contentType = [0x0f, 0x10];
  return Buffer.concat([
    Buffer.of(postMethod, httpScheme, path),
    plain('/etcdserverpb.KV/Put'),
    Buffer.of(host),
    plain(authority),
    Buffer.of(...contentType),
    plain('application/grpc'),
    Buffer.of(0),
    plain('te'),
    plain('trailers'),
  ]);
}

/** PutRequest { bytes key = 1; bytes value = 2 } behind gRPC's five bytes. */
const keyBytes = 3 + keyDigits;
const putBytes = 2 + keyBytes + 3 + valueBytes;
const message = Buffer.concat([
  Buffer.of(0, 0, 0, putBytes >> 8, putBytes & 255),
  Buffer.of(0x0a, keyBytes),
  Buffer.from('key'.padEnd(keyBytes, '0')),
  Buffer.of(0x12, (valueBytes & 127) | 128, valueBytes >> 7),
  Buffer.alloc(valueBytes),
]);
const keyAt = 5 + 2 + 3;
const valueAt = 5 + 2 + keyBytes + 3;

const nothing: Buffer = Buffer.alloc(0);

export class EtcdClient implements SetClient {
  readonly #socket: Socket;
  readonly #pool: PayloadPool;
  readonly #random: () => number;
  /** Headers and data of one request. */
  readonly #request: Buffer;
  readonly #dataAt: number;
  #stream = 1;
  #rest = nothing;
  #answered = false;
  #settle: ((accepted: boolean) => void) | undefined;
  #fail: ((reason: Error) => void) | undefined;
  #broken: Error | undefined;
  readonly complaint = 'etcd answered without a result';

  private constructor(socket: Socket, { host, port }: Address, pool: PayloadPool, random: () => number) {
    this.#socket = socket;
    this.#pool = pool;
    this.#random = random;
    const headers = frame(Frame.Headers, endHeaders, 1, requestHeaders(`${host}:${port}`));
    this.#dataAt = headers.length;
    this.#request = Buffer.concat([headers, frame(Frame.Data, endStream, 1, message)]);
    socket.setNoDelay(true);
    socket.on('error', (error) => this.#break(error));
    socket.on('close', () => this.#break(new Error('the connection was closed')));
    const window = Buffer.alloc(4);
    window.writeUInt32BE(2 ** 31 - 1 - initialWindow);
    socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
    socket.write(frame(Frame.Settings, 0, 0, Buffer.alloc(0)));
    socket.write(frame(Frame.WindowUpdate, 0, 0, window));
  }

  static open(address: Address, pool: PayloadPool, random: () => number): Promise<EtcdClient> {
    return openSocket(address, (socket) => {
      const client = new EtcdClient(socket, address, pool, random);
      return { client, receive: (chunk) => client.#receive(chunk) };
    });
  }

  get usable(): boolean {
    return this.#broken === undefined;
  }

  set(): Promise<boolean> {
    if (this.#broken !== undefined) return Promise.reject(this.#broken);
    const request = this.#request;
    request.writeUInt32BE(this.#stream, 5);
    request.writeUInt32BE(this.#stream, this.#dataAt + 5);
    const body = this.#dataAt + headBytes;
    const number = String(Math.floor(this.#random() * keys)).padStart(keyDigits, '0');
    request.write(number, body + keyAt, 'latin1');
    request.set(this.#pool.take(valueBytes), body + valueAt);
    this.#answered = false;
    this.#socket.write(request);
    return new Promise((resolve, reject) => {
      this.#settle = resolve;
      this.#fail = reject;
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #receive(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    while (bytes.length - at >= headBytes) {
      const end = at + headBytes + bytes.readUIntBE(at, 3);
      if (end > bytes.length) break;
      this.#take(bytes.subarray(at, end));
      at = end;
    }
    // A copy: the memory of what was read is used again.
    this.#rest = at === bytes.length ? nothing : Buffer.from(bytes.subarray(at));
  }

  #take(bytes: Buffer): void {
    const [type, flags] = [bytes[3], bytes[4] ?? 0];
    const payload = bytes.subarray(headBytes);
    if (type === Frame.Settings && (flags & acknowledged) === 0)
      this.#socket.write(frame(Frame.Settings, acknowledged, 0, Buffer.alloc(0)));
    else if (type === Frame.Ping && (flags & acknowledged) === 0)
      this.#socket.write(frame(Frame.Ping, acknowledged, 0, payload));
    else if (type === Frame.GoAway || type === Frame.Reset)
      this.#break(new Error(`etcd gave ${type === Frame.Reset ? 'a request' : 'the connection'} up`));
    else if (type === Frame.Data) this.#answered = true;
    else if (type === Frame.Headers && (flags & endStream) !== 0) this.#end();
  }

  /** The trailers: behind a result when it was accepted, alone when it was not. */
  #end(): void {
    this.#stream += 2;
    const settle = this.#settle;
    this.#settle = undefined;
    this.#fail = undefined;
    settle?.(this.#answered);
  }

  #break(reason: Error): void {
    if (this.#broken !== undefined) return;
    this.#broken = reason;
    this.#socket.destroy();
    this.#fail?.(reason);
  }
}
