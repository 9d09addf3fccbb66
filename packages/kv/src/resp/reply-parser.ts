import { BalsaError } from '@balsa/raft-core';
import type { Reply } from './reply.ts';

/** Bounds on what a server may make the client hold. */
export interface ReplyLimits {
  /** Bytes of one bulk string. */
  readonly maxBulkBytes: number;
  /** Elements of one aggregate. */
  readonly maxElements: number;
  /** Aggregates inside one another. */
  readonly maxDepth: number;
  /** Bytes of one line. */
  readonly maxLineBytes: number;
}

export const defaultReplyLimits: ReplyLimits = {
  maxBulkBytes: 64 * 1024 * 1024,
  maxElements: 1024 * 1024,
  maxDepth: 16,
  maxLineBytes: 64 * 1024,
};

interface Frame {
  readonly kind: 'array' | 'set' | 'push' | 'map';
  remaining: number;
  readonly items: Reply[];
}

/** Reads RESP2 and RESP3 replies out of a byte stream, however it is cut into chunks. */
export class ReplyParser {
  readonly #limits: ReplyLimits;
  #chunks: Buffer[] = [];
  #chunkBytes = 0;
  #buffer: Buffer = Buffer.alloc(0);
  #at = 0;
  readonly #stack: Frame[] = [];
  #bulk: { readonly verbatim: boolean; readonly length: number } | undefined;

  constructor(limits: ReplyLimits = defaultReplyLimits) {
    this.#limits = limits;
  }

  feed(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#chunkBytes += chunk.length;
  }

  /** The next reply, or undefined until more is fed. Throws `WIRE_MALFORMED` or `WIRE_TOO_LARGE`; the connection is then useless. */
  next(): Reply | undefined {
    for (;;) {
      const value = this.#readValue();
      if (value === undefined) return undefined;
      if (value === 'opened') continue;
      const whole = this.#place(value);
      if (whole !== undefined) return whole;
    }
  }

  /** Puts a finished value into the aggregate that is open; the reply when none is open any more. */
  #place(value: Reply): Reply | undefined {
    let done = value;
    for (;;) {
      const frame = this.#stack.at(-1);
      if (frame === undefined) return done;
      frame.items.push(done);
      frame.remaining -= 1;
      if (frame.remaining > 0) return undefined;
      this.#stack.pop();
      done = closed(frame.kind, frame.items);
    }
  }

  #readValue(): Reply | 'opened' | undefined {
    if (this.#bulk !== undefined) return this.#readBulk(this.#bulk);
    const line = this.#line();
    if (line === undefined) return undefined;
    const text = line.toString('utf8', 1);
    switch (String.fromCharCode(line[0] ?? 0)) {
      case '+':
        return { kind: 'simple', text };
      case '-':
        return { kind: 'error', text };
      case ':':
        return { kind: 'integer', value: integerOf(text) };
      case '_':
        return { kind: 'null' };
      case ',':
        return { kind: 'double', value: doubleOf(text) };
      case '#':
        return { kind: 'boolean', value: text === 't' };
      case '(':
        return { kind: 'integer', value: integerOf(text) };
      case '$':
      case '!':
        return this.#openBulk(text, false);
      case '=':
        return this.#openBulk(text, true);
      case '*':
        return this.#open('array', text);
      case '~':
        return this.#open('set', text);
      case '>':
        return this.#open('push', text);
      case '%':
        return this.#open('map', text);
      default:
        throw malformed(`a reply starts with the byte ${String(line[0])}`);
    }
  }

  #openBulk(text: string, isVerbatim: boolean): Reply | undefined {
    const length = lengthOf(text, this.#limits.maxBulkBytes);
    if (length < 0) return { kind: 'null' };
    this.#bulk = { verbatim: isVerbatim, length };
    return this.#readBulk(this.#bulk);
  }

  #readBulk(expected: { readonly verbatim: boolean; readonly length: number }): Reply | undefined {
    if (this.#available() < expected.length + 2) return undefined;
    this.#join();
    const bytes = this.#buffer.subarray(this.#at, this.#at + expected.length);
    this.#at += expected.length + 2;
    this.#bulk = undefined;
    return expected.verbatim
      ? { kind: 'verbatim', text: bytes.toString('utf8', 4) }
      : { kind: 'bulk', bytes };
  }

  #open(kind: Frame['kind'], text: string): Reply | 'opened' {
    const count = lengthOf(text, this.#limits.maxElements);
    if (count < 0) return { kind: 'null' };
    if (count === 0) return closed(kind, []);
    if (this.#stack.length >= this.#limits.maxDepth) {
      throw new BalsaError(
        'WIRE_TOO_LARGE',
        `a reply is nested deeper than ${String(this.#limits.maxDepth)} levels`,
      );
    }
    this.#stack.push({ kind, remaining: kind === 'map' ? count * 2 : count, items: [] });
    return 'opened';
  }

  #line(): Buffer | undefined {
    this.#join();
    const end = this.#buffer.indexOf('\r\n', this.#at, 'latin1');
    if ((end < 0 ? this.#buffer.length : end) - this.#at > this.#limits.maxLineBytes) {
      throw new BalsaError(
        'WIRE_TOO_LARGE',
        `a line of a reply is longer than ${String(this.#limits.maxLineBytes)} bytes`,
      );
    }
    if (end < 0) return undefined;
    const line = this.#buffer.subarray(this.#at, end);
    if (line.length === 0) throw malformed('a line of a reply is empty');
    this.#at = end + 2;
    return line;
  }

  #available(): number {
    return this.#buffer.length - this.#at + this.#chunkBytes;
  }

  #join(): void {
    if (this.#chunks.length === 0) return;
    this.#buffer = Buffer.concat([this.#buffer.subarray(this.#at), ...this.#chunks]);
    this.#at = 0;
    this.#chunks = [];
    this.#chunkBytes = 0;
  }
}

function closed(kind: Frame['kind'], items: Reply[]): Reply {
  if (kind !== 'map') return { kind, items };
  const entries: [Reply, Reply][] = [];
  for (let i = 0; i + 1 < items.length; i += 2) {
    const [key, value] = [items[i], items[i + 1]];
    if (key !== undefined && value !== undefined) entries.push([key, value]);
  }
  return { kind: 'map', entries };
}

function lengthOf(text: string, max: number): number {
  const length = /^(?:-1|[0-9]{1,15})$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isNaN(length)) throw malformed(`a reply has the length "${text.slice(0, 32)}"`);
  if (length > max)
    throw new BalsaError(
      'WIRE_TOO_LARGE',
      `a reply has the length ${text}, over the limit of ${String(max)}`,
    );
  return length;
}

function integerOf(text: string): number | bigint {
  if (!/^[+-]?[0-9]{1,400}$/.test(text)) throw malformed(`a reply has the integer "${text.slice(0, 32)}"`);
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : BigInt(text);
}

function doubleOf(text: string): number {
  if (text === 'inf') return Infinity;
  return text === '-inf' ? -Infinity : Number(text);
}

function malformed(detail: string): BalsaError {
  return new BalsaError('WIRE_MALFORMED', `the server does not speak RESP: ${detail}`);
}
