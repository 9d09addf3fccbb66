import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RequestParser, type Request, type RequestLimits } from '../src/resp/request-parser.ts';
import { resp } from './support/server.ts';

const limits: RequestLimits = {
  maxArgs: 8,
  maxBulkBytes: 40_000,
  maxCommandBytes: 60_000,
  maxInlineBytes: 1024,
};

/** Everything that a parser finds in these chunks, arguments as Latin-1 text. */
function parse(chunks: readonly Buffer[], bounds = limits): string[] {
  const parser = new RequestParser(bounds);
  const found: string[] = [];
  for (const chunk of chunks) {
    parser.feed(Buffer.from(chunk));
    for (let request = parser.next(); request !== undefined; request = parser.next())
      found.push(show(request));
  }
  return found;
}

function show(request: Request): string {
  if (request.kind !== 'command') return `${request.kind}: ${request.reason}`;
  return JSON.stringify(request.args.map((arg) => arg.toString('latin1')));
}

function parseText(text: string): string[] {
  return parse([Buffer.from(text, 'latin1')]);
}

function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const sorted = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  const bounds = [0, ...sorted, bytes.length];
  return bounds.slice(1).map((end, i) => bytes.subarray(bounds[i], end));
}

/** Pieces of a stream: commands of all sizes, inline ones, empty ones, oversized ones. */
const piece = fc.oneof(
  fc.array(fc.uint8Array({ maxLength: 60 }), { minLength: 1, maxLength: 6 }).map((args) => resp(...args)),
  fc.integer({ min: 15_000, max: 39_000 }).map((length) => resp('SET', 'k', 'x'.repeat(length))),
  fc.integer({ min: 40_001, max: 60_000 }).map((length) => resp('SET', 'k', 'x'.repeat(length))),
  fc.constant(resp(...Array.from({ length: 10 }, () => 'a'))),
  fc
    .constantFrom('PING\r\n', 'SET a "b\\x00\\n" \'c\'\n', '\r\n', '*0\r\n', '*-1\r\n')
    .map((text) => Buffer.from(text)),
);

describe('the request parser', () => {
  test('finds the same requests however the stream is cut into chunks', () => {
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 8 }),
        fc.array(fc.nat(), { maxLength: 40 }),
        (pieces, places) => {
          const stream = Buffer.concat(pieces);
          expect(parse(cut(stream, places))).toEqual(parse([stream]));
        },
      ),
      { verbose: true, numRuns: 300 },
    );
  });

  test('finds the same requests when every byte comes alone', () => {
    const stream = Buffer.concat([
      resp('SET', 'a', 'x'.repeat(17_000)),
      Buffer.from('PING\r\n'),
      resp('GET', ''),
    ]);
    const single = [...stream].map((byte) => Buffer.from([byte]));
    expect(parse(single)).toEqual(parse([stream]));
    expect(parse([stream])).toHaveLength(3);
  });

  test('never throws, and holds a bounded amount, whatever comes', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc
        .string({ unit: fc.constantFrom('*', '$', '0', '1', '9', '-', '\r', '\n', '"', 'a', 'x') })
        .map((s) => Buffer.from(s)),
    );
    fc.assert(
      fc.property(fc.array(bytes, { maxLength: 30 }), (chunks) => {
        const parser = new RequestParser(limits);
        for (const chunk of chunks) {
          parser.feed(Buffer.from(chunk));
          while (parser.next() !== undefined);
          expect(parser.pendingBytes).toBeLessThanOrEqual(
            limits.maxCommandBytes + limits.maxInlineBytes + 200,
          );
        }
      }),
      { verbose: true, numRuns: 500 },
    );
  });

  test.each([
    ['*a\r\n', 'invalid multibulk length'],
    ['*\r\n', 'invalid multibulk length'],
    ['*+1\r\n', 'invalid multibulk length'],
    ['*1 \r\n', 'invalid multibulk length'],
    ['*2147483648\r\n', 'invalid multibulk length'],
    ['*1\r\n:3\r\n', "expected '$', got ':'"],
    ['*1\r\n$-1\r\n', 'invalid bulk length'],
    ['*1\r\n$\r\n', 'invalid bulk length'],
    ['*1\r\n$ 3\r\n', 'invalid bulk length'],
    ['*1\r\n$04\r\n', 'invalid bulk length'],
    ['*1\r\n$536870913\r\n', 'invalid bulk length'],
    ['*1\r\n$99999999999999999999999\r\n', 'invalid bulk length'],
    ['set a "b\r\n', 'unbalanced quotes in request'],
    ['set a "b"c\r\n', 'unbalanced quotes in request'],
    ['x'.repeat(2000), 'too big inline request'],
    [`*${'1'.repeat(2000)}`, 'too big mbulk count string'],
    [`*1\r\n$${'1'.repeat(2000)}`, 'too big bulk count string'],
  ])('says as Redis does what is wrong with %j, and gives nothing after it', (text, reason) => {
    expect(parseText(`PING\r\n${text}`)).toEqual(['["PING"]', `protocol-error: ${reason}`]);
    const parser = new RequestParser(limits);
    parser.feed(Buffer.from(text));
    parser.next();
    parser.feed(Buffer.from('PING\r\n'));
    expect(parser.next()).toBeUndefined();
  });

  test('skips an oversized argument and goes on behind it', () => {
    const stream = Buffer.concat([resp('SET', 'a', 'x'.repeat(50_000)), resp('PING')]);
    expect(parse([stream])).toEqual([
      'refused: string exceeds maximum allowed size (50000 bytes given, 40000 allowed)',
      '["PING"]',
    ]);
  });

  test('skips a command whose arguments are too large together', () => {
    const stream = Buffer.concat([resp('MSET', 'x'.repeat(30_000), 'x'.repeat(30_000)), resp('PING')]);
    expect(parse([stream])).toEqual([
      'refused: command exceeds maximum allowed size (60000 bytes)',
      '["PING"]',
    ]);
  });

  test('does not hold an oversized argument while it is skipped', () => {
    const parser = new RequestParser(limits);
    parser.feed(Buffer.from('*2\r\n$3\r\nSET\r\n$400000000\r\n'));
    for (let i = 0; i < 100; i += 1) {
      parser.feed(Buffer.alloc(10_000));
      expect(parser.next()).toBeUndefined();
    }
    expect(parser.pendingBytes).toBe(0);
  });

  test('skips a command with too many arguments', () => {
    expect(parse([Buffer.concat([resp(...Array.from({ length: 9 }, () => 'a')), resp('PING')])])).toEqual([
      'refused: too many arguments (9 given, 8 allowed)',
      '["PING"]',
    ]);
  });

  test('reads inline words as redis-cli users type them', () => {
    expect(parseText('  set  "a\\x01\\n\\"" \'b\\\'c\' d\\e ""\r\n')).toEqual([
      JSON.stringify(['set', 'a\u0001\n"', "b'c", 'd\\e', '']),
    ]);
  });
});
