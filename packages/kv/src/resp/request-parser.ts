import { splitInline } from './inline.ts';

/** Bounds on what one connection may make the server hold. */
export interface RequestLimits {
  /** Arguments of one command, its name included. More are skipped, and the command is refused. */
  readonly maxArgs: number;
  /** Bytes of one argument. A larger one is skipped, and the command is refused. */
  readonly maxBulkBytes: number;
  /** Bytes of all arguments of one command together. What is over is skipped, and the command is refused. */
  readonly maxCommandBytes: number;
  /** Bytes of a command in inline form, and of a length line. More is a protocol error. */
  readonly maxInlineBytes: number;
}

/** What the parser found. */
export type Request =
  | { readonly kind: 'command'; readonly args: readonly Buffer[]; readonly bytes: number }
  /** A whole command was read past, because it is over a limit. The connection goes on behind it. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** The stream cannot be understood any more: answer, then close. */
  | { readonly kind: 'protocol-error'; readonly reason: string };

/** Beyond these a length is not a large request but nonsense; as in Redis. */
const largestSaneBulk = 512 * 1024 * 1024;
const largestSaneCount = 1024 * 1024;
/** An argument larger than this that is not there whole is gathered in place, not by joining buffers again and again. */
const gatherFrom = 16 * 1024;

const star = 0x2a;
const dollar = 0x24;
const lf = 0x0a;
const cr = 0x0d;
const zero = 0x30;
/** Of a number that is read without making a string of it. */
const shortDigits = 9;

/**
 * Reads requests out of a byte stream, however it is cut into chunks.
 *
 * Pull-style, so that the connection decides when to go on: `feed` takes what arrived, `next` gives one
 * request or undefined when more bytes are needed. It holds at most one unfinished command (within
 * the limits) and the rest of the last chunk. Arguments are views of the chunks fed.
 */
export class RequestParser {
  readonly #limits: RequestLimits;
  #buffer: Buffer = Buffer.alloc(0);
  #at = 0;
  /** Arguments still to come of the command being read; 0 between commands. */
  #remaining = 0;
  #args: Buffer[] = [];
  #bytes = 0;
  /** Why the command being read will be refused once it is over. */
  #refusal: string | undefined;
  /** Length of the argument being read; -1 when its length line is next. */
  #bulkLength = -1;
  /** A large argument being gathered. */
  #gathered: Buffer | undefined;
  #gatheredBytes = 0;
  /** Bytes of an oversized argument (and its line end) still to be dropped. */
  #toSkip = 0;
  #failed = false;

  constructor(limits: RequestLimits) {
    this.#limits = limits;
  }

  /** Bytes held: unread ones and those of an unfinished command. */
  get pendingBytes(): number {
    return this.#buffer.length - this.#at + this.#bytes;
  }

  feed(chunk: Buffer): void {
    if (this.#failed) return;
    this.#buffer =
      this.#at === this.#buffer.length ? chunk : Buffer.concat([this.#buffer.subarray(this.#at), chunk]);
    this.#at = 0;
  }

  /** The next request, or undefined until more is fed. After a protocol error always undefined. */
  next(): Request | undefined {
    while (!this.#failed) {
      if (this.#remaining > 0) {
        const request = this.#readArgument();
        if (request !== 'again') return request;
        continue;
      }
      if (this.#at >= this.#buffer.length) return undefined;
      const request = this.#buffer[this.#at] === star ? this.#readCount() : this.#readInline();
      if (request !== 'again') return request;
    }
    return undefined;
  }

  #readCount(): Request | 'again' | undefined {
    const count = this.#lineOfNumber('too big mbulk count string');
    if (typeof count !== 'number') return count;
    // Neither is NaN, which stands for what is no integer.
    if (!(count <= largestSaneCount)) return this.#fail('invalid multibulk length');
    if (count <= 0) return 'again';
    this.#remaining = count;
    if (count > this.#limits.maxArgs) {
      this.#refusal = `too many arguments (${String(count)} given, ${String(this.#limits.maxArgs)} allowed)`;
    }
    return 'again';
  }

  #readInline(): Request | 'again' | undefined {
    const line = this.#line('too big inline request');
    if (line === undefined || !Buffer.isBuffer(line)) return line;
    const args = splitInline(line);
    if (args === undefined) return this.#fail('unbalanced quotes in request');
    return args.length === 0 ? 'again' : { kind: 'command', args, bytes: line.length };
  }

  #readArgument(): Request | 'again' | undefined {
    if (this.#toSkip > 0) {
      const skipped = Math.min(this.#toSkip, this.#buffer.length - this.#at);
      this.#at += skipped;
      this.#toSkip -= skipped;
      return this.#toSkip > 0 ? undefined : this.#argumentDone();
    }
    if (this.#bulkLength < 0) {
      const problem = this.#readLength();
      if (problem !== 'again') return problem;
      if (this.#toSkip > 0) return 'again';
    }
    return this.#readBulk();
  }

  #readLength(): Request | 'again' | undefined {
    if (this.#at >= this.#buffer.length) return undefined;
    const first = this.#buffer[this.#at] ?? 0;
    if (first !== dollar) return this.#fail(`expected '$', got '${String.fromCharCode(first)}'`);
    const length = this.#lineOfNumber('too big bulk count string');
    if (typeof length !== 'number') return length;
    if (!(length >= 0 && length <= largestSaneBulk)) return this.#fail('invalid bulk length');
    const { maxBulkBytes, maxCommandBytes } = this.#limits;
    if (length > maxBulkBytes) {
      this.#refusal ??= `string exceeds maximum allowed size (${String(length)} bytes given, ${String(maxBulkBytes)} allowed)`;
    } else if (this.#bytes + length > maxCommandBytes) {
      this.#refusal ??= `command exceeds maximum allowed size (${String(maxCommandBytes)} bytes)`;
    }
    if (this.#refusal === undefined) {
      this.#bulkLength = length;
    } else {
      // Nothing of a command that will be refused is kept.
      this.#args = [];
      this.#bytes = 0;
      this.#toSkip = length + 2;
    }
    return 'again';
  }

  #readBulk(): Request | 'again' | undefined {
    const available = this.#buffer.length - this.#at;
    const wanted = this.#bulkLength + 2;
    if (this.#gathered === undefined) {
      if (available >= wanted) {
        // Redis does not look at the two bytes behind an argument either.
        this.#args.push(this.#buffer.subarray(this.#at, this.#at + this.#bulkLength));
        this.#at += wanted;
        return this.#argumentDone();
      }
      if (this.#bulkLength < gatherFrom) return undefined;
      this.#gathered = Buffer.allocUnsafe(wanted);
      this.#gatheredBytes = 0;
    }
    const copied = Math.min(available, wanted - this.#gatheredBytes);
    this.#buffer.copy(this.#gathered, this.#gatheredBytes, this.#at, this.#at + copied);
    this.#at += copied;
    this.#gatheredBytes += copied;
    if (this.#gatheredBytes < wanted) return undefined;
    this.#args.push(this.#gathered.subarray(0, this.#bulkLength));
    this.#gathered = undefined;
    return this.#argumentDone();
  }

  #argumentDone(): Request | 'again' {
    if (this.#bulkLength > 0) this.#bytes += this.#bulkLength;
    this.#bulkLength = -1;
    this.#remaining -= 1;
    if (this.#remaining > 0) return 'again';
    const request: Request =
      this.#refusal === undefined
        ? { kind: 'command', args: this.#args, bytes: this.#bytes }
        : { kind: 'refused', reason: this.#refusal };
    this.#args = [];
    this.#bytes = 0;
    this.#refusal = undefined;
    return request;
  }

  /**
   * The integer behind the first byte of a line, NaN when it is none; undefined when the line is not whole yet. Almost
   * all that is read are such lines, of a digit or a few: those are read where they lie.
   */
  #lineOfNumber(tooBig: string): number | Request | undefined {
    const buffer = this.#buffer;
    const start = this.#at + 1;
    const most = Math.min(start + shortDigits, this.#at + this.#limits.maxInlineBytes - 1);
    let value = 0;
    let at = start;
    for (; at < most; at++) {
      const digit = (buffer[at] ?? 0) - zero;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
    }
    const isCanonical = at === start + 1 || (at > start && buffer[start] !== zero);
    if (isCanonical && buffer[at] === cr && buffer[at + 1] === lf) {
      this.#at = at + 2;
      return value;
    }
    const line = this.#line(tooBig);
    if (line === undefined || !Buffer.isBuffer(line)) return line;
    return strictInteger(line, 1) ?? Number.NaN;
  }

  /** One line without its end; undefined when it is not whole yet. */
  #line(tooBig: string): Buffer | Request | undefined {
    const end = this.#buffer.indexOf(lf, this.#at);
    const length = (end < 0 ? this.#buffer.length : end) - this.#at;
    if (length > this.#limits.maxInlineBytes) return this.#fail(tooBig);
    if (end < 0) return undefined;
    const line = this.#buffer.subarray(
      this.#at,
      this.#buffer[end - 1] === cr && end > this.#at ? end - 1 : end,
    );
    this.#at = end + 1;
    return line;
  }

  #fail(reason: string): Request {
    this.#failed = true;
    this.#buffer = Buffer.alloc(0);
    this.#at = 0;
    this.#args = [];
    this.#gathered = undefined;
    return { kind: 'protocol-error', reason };
  }
}

/** A decimal integer without a plus sign, blanks or leading zeros, from `start` to the end of `line`. */
function strictInteger(line: Buffer, start: number): number | undefined {
  if (line.length - start > 17) return undefined;
  const text = line.toString('latin1', start);
  return /^(?:0|-?[1-9][0-9]*)$/.test(text) ? Number(text) : undefined;
}
