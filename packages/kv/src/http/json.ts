import type { IncomingMessage, ServerResponse } from 'node:http';
import { BalsaError } from '@balsa/raft-core';

/** A request that is refused before it means anything, with its HTTP status. */
export class HttpRefusal extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** Bytes of the body of a request. */
const maxBodyBytes = 16 * 1024;

/**
 * The body as a JSON object. Refuses what a web page of somebody else could make a browser send: anything that
 * is not declared as JSON, and anything that carries an Origin.
 */
export async function readJson(request: IncomingMessage): Promise<Readonly<Record<string, unknown>>> {
  if (request.headers.origin !== undefined) {
    throw new HttpRefusal(403, 'FORBIDDEN', 'requests from web pages (with an Origin header) are not taken');
  }
  const type = request.headers['content-type']?.split(';')[0]?.trim().toLowerCase();
  if (type !== 'application/json') {
    throw new HttpRefusal(415, 'INVALID_ARGUMENT', 'the content-type must be application/json');
  }
  const body = await readBody(request);
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch (cause) {
    throw new BalsaError('INVALID_ARGUMENT', 'the body is not valid JSON', { cause });
  }
  if (!isObject(value)) throw new BalsaError('INVALID_ARGUMENT', 'the body must be a JSON object');
  return value;
}

async function readBody(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request) {
    const chunk = part as Buffer;
    bytes += chunk.length;
    if (bytes > maxBodyBytes) {
      throw new HttpRefusal(413, 'INVALID_ARGUMENT', `the body is larger than ${String(maxBodyBytes)} bytes`);
    }
    parts.push(chunk);
  }
  return Buffer.concat(parts).toString('utf8');
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  send(response, status, 'application/json; charset=utf-8', `${JSON.stringify(value)}\n`);
}

export function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  response.end(body);
}
