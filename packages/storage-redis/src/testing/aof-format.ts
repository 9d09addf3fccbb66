/** The format of an append-only file: commands as they go over the wire, some of them between MULTI and EXEC. */

export interface Fault {
  /** Of the byte that is not what the format wants there; the length of the file when it ends too early. */
  readonly at: number;
  /** What lies before is whole: commands, and no transaction without its end. */
  readonly wholeUntil: number;
}

const [cr, lf] = [13, 10];
const code = (text: string): number => text.charCodeAt(0);

class Reader {
  readonly #bytes: Uint8Array;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.at >= this.#bytes.length;
  }

  get next(): number | undefined {
    return this.#bytes[this.at];
  }

  /** False, without moving, when another byte is there. */
  take(byte: number): boolean {
    if (this.next !== byte) return false;
    this.at++;
    return true;
  }

  /** A number and the end of its line; undefined at what is neither. */
  number(): number | undefined {
    let [value, digits] = [0, 0];
    for (; digits < 15; digits++) {
      const digit = (this.next ?? 0) - code('0');
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
      this.at++;
    }
    return digits > 0 && this.take(cr) && this.take(lf) ? value : undefined;
  }

  /** A text with its length before it; undefined at what is none. */
  bulk(): Uint8Array | undefined {
    if (!this.take(code('$'))) return undefined;
    const length = this.number();
    if (length === undefined) return undefined;
    const text = this.#bytes.subarray(this.at, this.at + length);
    this.at += text.length;
    return text.length === length && this.take(cr) && this.take(lf) ? text : undefined;
  }

  skipLine(): boolean {
    const end = this.#bytes.indexOf(lf, this.at);
    this.at = end < 0 ? this.#bytes.length : end + 1;
    return end >= 0;
  }
}

/** Name of the next command, in small letters; undefined when it is not whole. */
function command(reader: Reader): string | undefined {
  if (!reader.take(code('*'))) return undefined;
  const count = reader.number();
  if (count === undefined || count < 1) return undefined;
  let name = '';
  for (let i = 0; i < count; i++) {
    const text = reader.bulk();
    if (text === undefined) return undefined;
    if (i === 0) name = new TextDecoder('latin1').decode(text.subarray(0, 16)).toLowerCase();
  }
  return name;
}

/** Where a file of commands stops being one; undefined when all of it is whole. */
export function firstFault(bytes: Uint8Array): Fault | undefined {
  const reader = new Reader(bytes);
  let [wholeUntil, isOpen] = [0, false];
  while (!reader.done) {
    // A remark: with aof-timestamp-enabled the server says what time it is.
    if (reader.next === code('#')) {
      if (!reader.skipLine()) break;
    } else {
      const name = command(reader);
      if (name === undefined) return { at: reader.at, wholeUntil };
      if (name === 'multi') isOpen = true;
      if (name === 'exec') isOpen = false;
    }
    if (!isOpen) wholeUntil = reader.at;
  }
  return wholeUntil === bytes.length ? undefined : { at: reader.at, wholeUntil };
}
