/** How a client and the server of a served store speak: frames of serialised values over a stream socket. */
import type { Socket } from 'node:net';
import { deserialize, serialize } from 'node:v8';
import { BalsaError, errorRegistry, isBalsaError, type ErrorCode } from '@balsa/raft-core';

/** Objects have numbers: those of the client's making are even, those of the server's odd; 0 is the engine's opener. */
export interface Call {
  readonly call: number;
  readonly object: number;
  readonly method: string;
  readonly arguments: readonly unknown[];
  /** The number that the client gives to the object which this call returns. */
  readonly as?: number;
}

export interface RemoteObject {
  readonly remote: number;
  readonly properties: Readonly<Record<string, unknown>>;
}

export interface PlainError {
  readonly code: string | undefined;
  readonly message: string;
  readonly details: Readonly<Record<string, unknown>>;
  readonly cause?: PlainError;
}

export interface Answer {
  readonly call: number;
  readonly error?: PlainError;
  readonly value?: unknown;
  readonly object?: RemoteObject;
  /** Of the object that was called, as they are now. */
  readonly properties?: Readonly<Record<string, unknown>>;
}

/** Listens for frames: four bytes of length, then the value. */
export function onFrames(socket: Socket, take: (value: unknown) => void): void {
  let held: Buffer = Buffer.alloc(0);
  socket.on('data', (data: Buffer) => {
    held = held.length === 0 ? data : Buffer.concat([held, data]);
    while (held.length >= 4) {
      const end = 4 + held.readUInt32BE(0);
      if (held.length < end) return;
      const value: unknown = deserialize(held.subarray(4, end));
      held = held.subarray(end);
      take(value);
    }
  });
}

export function sendFrame(socket: Socket, value: Call | Answer): void {
  const body = serialize(value);
  const head = Buffer.alloc(4);
  head.writeUInt32BE(body.length);
  socket.write(Buffer.concat([head, body]));
}

export function plainError(error: unknown): PlainError {
  const message = error instanceof Error ? error.message : String(error);
  const cause = error instanceof Error && error.cause !== undefined ? { cause: plainError(error.cause) } : {};
  if (isBalsaError(error)) return { code: error.code, message, details: error.details, ...cause };
  return { code: undefined, message, details: {}, ...cause };
}

const isCode = (text: string | undefined): text is ErrorCode =>
  text !== undefined && Object.hasOwn(errorRegistry, text);

export function revivedError({ code, message, details, cause }: PlainError): Error {
  const why = cause === undefined ? {} : { cause: revivedError(cause) };
  return isCode(code) ? new BalsaError(code, message, { details, ...why }) : new Error(message, why);
}
