import { ok, type Proto, type Reply } from './reply.ts';

const initialBytes = 1024;
const largestKept = 64 * 1024;
/** What is handed over in a copy of its own size: most replies are a few bytes. */
const smallBytes = 256;
/** What most writes are answered with; nobody may change it. */
const okBytes = Buffer.from('+OK\r\n');

/**
 * Writes replies, one after another, into one growing buffer, so that the replies of a pipeline leave
 * in one call to the socket.
 */
export class ReplyWriter {
  #buffer: Buffer = Buffer.allocUnsafe(initialBytes);
  #length = 0;
  /** Nothing but one OK was written, and it is not in the buffer. */
  #isOk = false;

  /** Bytes written and not yet taken. */
  get length(): number {
    return this.#isOk ? okBytes.length : this.#length;
  }

  /** Hands over what was written; the writer starts afresh and never touches it again. */
  take(): Buffer {
    if (this.#isOk) {
      this.#isOk = false;
      return okBytes;
    }
    const written = this.#buffer.subarray(0, this.#length);
    if (this.#length <= smallBytes) {
      this.#length = 0;
      return Buffer.from(written);
    }
    this.#buffer = Buffer.allocUnsafe(Math.min(Math.max(this.#length, initialBytes), largestKept));
    this.#length = 0;
    return written;
  }

  write(reply: Reply, proto: Proto): void {
    if (this.#isOk) {
      this.#isOk = false;
      this.#line('+', ok.text);
    } else if (reply === ok && this.#length === 0) {
      this.#isOk = true;
      return;
    }
    switch (reply.kind) {
      case 'simple':
        this.#line('+', oneLine(reply.text));
        break;
      case 'error':
        this.#line('-', oneLine(reply.text));
        break;
      case 'integer':
        this.#line(':', String(reply.value));
        break;
      case 'bulk':
        this.#bulk('$', reply.bytes);
        break;
      case 'null':
        this.#ascii(proto === 3 ? '_\r\n' : '$-1\r\n');
        break;
      case 'double':
        if (proto === 3) this.#line(',', doubleText(reply.value));
        else this.#bulk('$', Buffer.from(doubleText(reply.value)));
        break;
      case 'boolean':
        if (proto === 3) this.#line('#', reply.value ? 't' : 'f');
        else this.#line(':', reply.value ? '1' : '0');
        break;
      case 'verbatim':
        if (proto === 3) this.#bulk('=', Buffer.from(`txt:${reply.text}`));
        else this.#bulk('$', Buffer.from(reply.text));
        break;
      case 'map':
        this.#map(reply.entries, proto);
        break;
      case 'array':
      case 'set':
      case 'push': {
        const mark = proto === 2 || reply.kind === 'array' ? '*' : reply.kind === 'set' ? '~' : '>';
        this.#line(mark, String(reply.items.length));
        for (const item of reply.items) this.write(item, proto);
        break;
      }
    }
  }

  #map(entries: readonly (readonly [Reply, Reply])[], proto: Proto): void {
    if (proto === 3) this.#line('%', String(entries.length));
    else this.#line('*', String(entries.length * 2));
    for (const [key, value] of entries) {
      this.write(key, proto);
      this.write(value, proto);
    }
  }

  #line(mark: string, text: string): void {
    const bytes = Buffer.byteLength(text) + 3;
    this.#reserve(bytes);
    this.#length += this.#buffer.write(mark, this.#length, 'latin1');
    this.#length += this.#buffer.write(text, this.#length, 'utf8');
    this.#length += this.#buffer.write('\r\n', this.#length, 'latin1');
  }

  #bulk(mark: string, bytes: Uint8Array): void {
    this.#ascii(`${mark}${String(bytes.length)}\r\n`);
    this.#reserve(bytes.length + 2);
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
    this.#ascii('\r\n');
  }

  #ascii(text: string): void {
    this.#reserve(text.length);
    this.#length += this.#buffer.write(text, this.#length, 'latin1');
  }

  #reserve(bytes: number): void {
    const wanted = this.#length + bytes;
    if (wanted <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(wanted, this.#buffer.length * 2));
    this.#buffer.copy(grown, 0, 0, this.#length);
    this.#buffer = grown;
  }
}

/** One reply as bytes of its own. */
export function encodeReply(reply: Reply, proto: Proto): Buffer {
  const writer = new ReplyWriter();
  writer.write(reply, proto);
  return writer.take();
}

/** A line of the protocol ends at the first line break, so there is none inside one (Redis writes spaces, too). */
function oneLine(text: string): string {
  return /[\r\n]/.test(text) ? text.replaceAll(/[\r\n]/g, ' ') : text;
}

function doubleText(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (value === Infinity) return 'inf';
  return value === -Infinity ? '-inf' : String(value);
}
