import { isBalsaError } from '@balsa/raft-core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeConfContext, encodeConfContext } from '../src/conf-context.ts';
import { encodeEnvelope, ownCounter, payloadOf } from '../src/envelope.ts';
import { decodeFrame, encodeFrame, type ControlFrame } from '../src/forwarding.ts';
import { decodeDescription, encodeDescription } from '../src/snapshot-description.ts';

const bytes = fc.uint8Array({ maxLength: 64 });
const number = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const members = fc.array(fc.record({ id: number, address: fc.string({ unit: 'grapheme' }) }), {
  maxLength: 5,
});
const changeType = fc.constantFrom(0 as const, 1 as const, 2 as const, 3 as const);
const body = fc.oneof(
  fc.record({ kind: fc.constant('command' as const), data: bytes }),
  fc.record({
    kind: fc.constant('change' as const),
    changes: fc.array(fc.record({ type: changeType, nodeId: number }), { maxLength: 4 }),
    context: bytes,
  }),
);
const frame: fc.Arbitrary<ControlFrame> = fc.oneof(
  fc.record({
    type: fc.constant('propose' as const),
    proposals: fc.array(fc.record({ counter: number, body }), { maxLength: 4 }),
  }),
  fc.record({
    type: fc.constant('accepted' as const),
    term: number,
    places: fc.array(fc.record({ counter: number, index: number }), { maxLength: 4 }),
  }),
  fc.record({
    type: fc.constant('refused' as const),
    counters: fc.array(number, { maxLength: 4 }),
    code: fc.constant('OVERLOADED' as const),
    text: fc.string({ unit: 'grapheme' }),
    leader: number,
  }),
  fc.record({ type: fc.constant('members' as const), members }),
  fc.record({ type: fc.constant('hello' as const), incarnation: fc.string() }),
);
const description = fc.record({
  id: fc.string(),
  chunkCount: fc.nat(0xffff_ffff),
  bytes: number,
  checksum: fc.nat(0xffff_ffff),
  members,
  removed: fc.array(number),
});

describe('what is written is read back', () => {
  test('control frames', () => {
    fc.assert(
      fc.property(frame, (value) => {
        expect(decodeFrame(encodeFrame(value))).toEqual(value);
      }),
    );
  });

  test('descriptions of snapshots', () => {
    fc.assert(
      fc.property(description, (value) => {
        expect(decodeDescription(encodeDescription(value))).toEqual(value);
      }),
    );
  });

  test('contexts of membership changes', () => {
    const context = fc.record({
      incarnation: fc.uint8Array({ minLength: 8, maxLength: 8 }),
      counter: number,
      members,
    });
    fc.assert(
      fc.property(context, (value) => {
        expect(decodeConfContext(encodeConfContext(value))).toEqual(value);
      }),
    );
  });

  test('envelopes', () => {
    const run = fc.uint8Array({ minLength: 8, maxLength: 8 });
    fc.assert(
      fc.property(run, run, number, bytes, (own, other, counter, payload) => {
        const data = encodeEnvelope(own, counter, payload);
        expect(payloadOf(data, 1)).toEqual(payload);
        expect(ownCounter(data, own)).toBe(counter);
        expect(ownCounter(data, other)).toBe(Buffer.compare(own, other) === 0 ? counter : undefined);
      }),
    );
  });
});

describe('what a peer sends', () => {
  const malformed = (read: () => unknown): boolean => {
    try {
      read();
      return true;
    } catch (error) {
      return isBalsaError(error, 'WIRE_MALFORMED');
    }
  };

  test('cut short or altered frames are refused as malformed or read as another frame, nothing else', () => {
    fc.assert(
      fc.property(frame, fc.nat(), fc.nat(255), (value, at, byte) => {
        const encoded = encodeFrame(value);
        const altered = encoded.slice();
        altered[at % altered.length] = byte;
        expect(malformed(() => decodeFrame(altered))).toBe(true);
        expect(malformed(() => decodeFrame(encoded.subarray(0, at % encoded.length)))).toBe(true);
      }),
    );
  });

  test('arbitrary bytes as a description of a snapshot are refused as malformed', () => {
    fc.assert(
      fc.property(bytes, (value) => {
        expect(malformed(() => decodeDescription(value))).toBe(true);
      }),
    );
  });

  test('an envelope of an unknown version or flag stops the node rather than being skipped', () => {
    const data = encodeEnvelope(new Uint8Array(8), 1, new Uint8Array(3));
    for (const [at, value] of [
      [0, 2],
      [1, 0x80],
    ] as const) {
      const changed = data.slice();
      changed[at] = value;
      expect(() => payloadOf(changed, 7)).toThrow(
        expect.objectContaining({ code: 'UNKNOWN_COMMAND_VERSION' }),
      );
    }
  });
});
