import { isBalsaError } from '@balsa/raft-core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ReplyParser } from '../src/resp/reply-parser.ts';
import { encodeReply, ReplyWriter } from '../src/resp/reply-writer.ts';
import {
  array,
  bulk,
  error,
  integer,
  map,
  nil,
  ok,
  simple,
  verbatim,
  type Reply,
} from '../src/resp/reply.ts';

const leaf: fc.Arbitrary<Reply> = fc.oneof(
  fc.constant(nil),
  fc.stringMatching(/^[a-zA-Z ]{0,20}$/).map(simple),
  fc.stringMatching(/^[A-Z]{1,8} [a-z ]{0,20}$/).map(error),
  fc.maxSafeInteger().map(integer),
  fc.constantFrom(2n ** 63n - 1n, -(2n ** 63n)).map(integer),
  fc.uint8Array({ maxLength: 300 }).map((bytes) => bulk(Buffer.from(bytes))),
  fc.boolean().map((value): Reply => ({ kind: 'boolean', value })),
  fc.string({ maxLength: 20 }).map(verbatim),
);
const tree = fc.letrec<{ reply: Reply }>((tie) => ({
  reply: fc.oneof(
    { maxDepth: 4 },
    leaf,
    fc.array(tie('reply'), { maxLength: 4 }).map(array),
    fc.array(tie('reply'), { maxLength: 4 }).map((items): Reply => ({ kind: 'set', items })),
    fc
      .array(fc.tuple(tie('reply'), tie('reply')), { maxLength: 3 })
      .map((entries): Reply => ({ kind: 'map', entries })),
  ),
})).reply;

describe('replies', () => {
  test('OK is written alike alone, before, behind and within others', () => {
    const writer = new ReplyWriter();
    const bytesOf = (...replies: Reply[]): string => {
      let length = 0;
      for (const reply of replies) {
        writer.write(reply, 2);
        expect(writer.length).toBeGreaterThan(length);
        length = writer.length;
      }
      const bytes = writer.take();
      expect([bytes.length, writer.length]).toEqual([length, 0]);
      return bytes.toString();
    };
    expect(bytesOf(ok)).toBe('+OK\r\n');
    expect(bytesOf(ok, ok)).toBe('+OK\r\n+OK\r\n');
    expect(bytesOf(integer(1), ok, nil)).toBe(':1\r\n+OK\r\n$-1\r\n');
    expect(bytesOf(ok, array([ok, integer(2)]))).toBe('+OK\r\n*2\r\n+OK\r\n:2\r\n');
    expect(bytesOf(simple('OK'))).toBe('+OK\r\n');
  });

  test('come back from RESP3 as they were, however they are cut', () => {
    fc.assert(
      fc.property(fc.array(tree, { maxLength: 4 }), fc.integer({ min: 1, max: 50 }), (replies, size) => {
        const bytes = Buffer.concat(replies.map((reply) => encodeReply(reply, 3)));
        const parser = new ReplyParser();
        const found: Reply[] = [];
        for (let at = 0; at < bytes.length; at += size) {
          parser.feed(bytes.subarray(at, at + size));
          for (let reply = parser.next(); reply !== undefined; reply = parser.next()) found.push(reply);
        }
        expect(found).toEqual(replies);
      }),
      { verbose: true, numRuns: 200 },
    );
  });

  test('of RESP3 are told to a RESP2 client in its own terms', () => {
    const reply = map([
      ['a', nil],
      ['b', { kind: 'boolean', value: true }],
      ['c', { kind: 'double', value: 1.5 }],
      ['d', { kind: 'set', items: [integer(1)] }],
      ['e', verbatim('text')],
    ]);
    expect(encodeReply(reply, 2).toString()).toBe(
      '*10\r\n$1\r\na\r\n$-1\r\n$1\r\nb\r\n:1\r\n$1\r\nc\r\n$3\r\n1.5\r\n$1\r\nd\r\n*1\r\n:1\r\n$1\r\ne\r\n$4\r\ntext\r\n',
    );
    expect(encodeReply(nil, 3).toString()).toBe('_\r\n');
  });

  test('with line breaks in an error stay one line', () => {
    expect(encodeReply(error('ERR a\r\n+OK'), 2).toString()).toBe('-ERR a  +OK\r\n');
  });

  test.each([
    ['?\r\n', 'WIRE_MALFORMED'],
    ['$x\r\n', 'WIRE_MALFORMED'],
    ['$99999999999\r\n', 'WIRE_TOO_LARGE'],
    ['*99999999\r\n', 'WIRE_TOO_LARGE'],
    ['*1\r\n'.repeat(40), 'WIRE_TOO_LARGE'],
    [`+${'x'.repeat(70_000)}`, 'WIRE_TOO_LARGE'],
  ] as const)('from a server that sends %j are refused', (text, code) => {
    const parser = new ReplyParser();
    parser.feed(Buffer.from(text));
    let problem: unknown;
    try {
      parser.next();
    } catch (caught) {
      problem = caught;
    }
    expect(isBalsaError(problem, code)).toBe(true);
  });
});
