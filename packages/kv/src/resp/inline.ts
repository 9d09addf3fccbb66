/**
 * Splits an inline command as a person types it: words between blanks, "double quotes" with escapes
 * (\n \r \t \b \a \xHH, any other character stands for itself) and 'single quotes' where only \' is one.
 * Undefined when a quote is not closed, or is closed in the middle of a word.
 */
export function splitInline(line: Buffer): Buffer[] | undefined {
  const words: Buffer[] = [];
  let at = 0;
  for (;;) {
    while (at < line.length && isBlank(line[at])) at += 1;
    if (at >= line.length) return words;
    const word: number[] = [];
    const end = readWord(line, at, word);
    if (end === undefined) return undefined;
    words.push(Buffer.from(word));
    at = end;
  }
}

const doubleQuote = 0x22;
const singleQuote = 0x27;
const backslash = 0x5c;

/** Appends the bytes of the word at `start` to `into`; where it ends, or undefined when its quotes do not match. */
function readWord(line: Buffer, start: number, into: number[]): number | undefined {
  let at = start;
  while (at < line.length && !isBlank(line[at])) {
    const byte = line[at] ?? 0;
    if (byte !== doubleQuote && byte !== singleQuote) {
      into.push(byte);
      at += 1;
      continue;
    }
    const end = byte === doubleQuote ? readDouble(line, at + 1, into) : readSingle(line, at + 1, into);
    if (end === undefined || (end < line.length && !isBlank(line[end]))) return undefined;
    at = end;
  }
  return at;
}

function readDouble(line: Buffer, start: number, into: number[]): number | undefined {
  for (let at = start; at < line.length; at += 1) {
    const byte = line[at] ?? 0;
    if (byte === doubleQuote) return at + 1;
    if (byte !== backslash || at + 1 >= line.length) {
      into.push(byte);
      continue;
    }
    const hex = line.toString('latin1', at + 2, at + 4);
    if (line[at + 1] === 0x78 && /^[0-9a-fA-F]{2}$/.test(hex)) {
      into.push(Number.parseInt(hex, 16));
      at += 3;
    } else {
      const escaped = line[at + 1] ?? 0;
      into.push(escapes.get(escaped) ?? escaped);
      at += 1;
    }
  }
  return undefined;
}

function readSingle(line: Buffer, start: number, into: number[]): number | undefined {
  for (let at = start; at < line.length; at += 1) {
    const byte = line[at] ?? 0;
    if (byte === singleQuote) return at + 1;
    if (byte === backslash && line[at + 1] === singleQuote) at += 1;
    into.push(line[at] ?? 0);
  }
  return undefined;
}

const escapes: ReadonlyMap<number, number> = new Map(
  [
    ['n', 10],
    ['r', 13],
    ['t', 9],
    ['b', 8],
    ['a', 7],
  ].map(([letter, code]) => [String(letter).charCodeAt(0), Number(code)]),
);

function isBlank(byte: number | undefined): boolean {
  return byte !== undefined && (byte === 32 || (byte >= 9 && byte <= 13) || byte === 0);
}
