import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeFrame, frameAround, FrameKind, FrameParser, preamble, type Frame } from '../src/frame.ts';

const arbFrame = fc.record({
  kind: fc.constantFrom(...Object.values(FrameKind)),
  group: fc.string({ unit: 'binary', maxLength: 20 }),
  body: fc.uint8Array({ maxLength: 3000 }),
});

function parse(pieces: readonly Buffer[], maxFrameBytes = 1 << 20): { frames: Frame[]; error: unknown } {
  const frames: Frame[] = [];
  const parser = new FrameParser({ maxFrameBytes, onFrame: (frame) => frames.push(frame) });
  try {
    for (const piece of pieces) parser.push(piece);
  } catch (error) {
    return { frames, error };
  }
  return { frames, error: undefined };
}

const plain = (frames: readonly { kind: number; group: string; body: Uint8Array }[]): unknown =>
  frames.map(({ kind, group, body }) => ({ kind, group, body: Buffer.from(body).toString('hex') }));

describe('frames', () => {
  test('any split of the stream gives the same frames', () => {
    fc.assert(
      fc.property(
        fc.array(arbFrame, { maxLength: 8 }),
        fc.array(fc.nat(), { maxLength: 30 }),
        (frames, cuts) => {
          const stream = Buffer.concat([
            preamble,
            ...frames.map((f) => encodeFrame(f.kind, f.group, f.body)),
          ]);
          const at = [...new Set(cuts.map((c) => c % stream.length))].sort((a, b) => a - b);
          const pieces = [0, ...at].map((from, i) => stream.subarray(from, at[i] ?? stream.length));
          expect(plain(parse(pieces).frames)).toEqual(plain(frames));
        },
      ),
      { seed: 20_261, numRuns: 300 },
    );
  });

  test('byte by byte, a frame larger than what is trusted blindly comes out whole', () => {
    const body = Buffer.alloc(2_500_000, 3);
    const stream = Buffer.concat([preamble, encodeFrame(FrameKind.Message, 'g', body)]);
    const pieces: Buffer[] = [];
    for (let at = 0; at < stream.length; at += 997) pieces.push(stream.subarray(at, at + 997));
    const { frames } = parse(pieces, 1 << 24);
    expect(frames[0]?.body.equals(body)).toBe(true);
  });

  test('a frame in pieces has the bytes of a frame in one', () => {
    const [a, b] = [Buffer.from('abc'), Buffer.from('defg')];
    const inPieces = Buffer.concat(frameAround(FrameKind.SnapshotChunk, 'grp', [a, b]));
    expect(inPieces.equals(encodeFrame(FrameKind.SnapshotChunk, 'grp', Buffer.concat([a, b])))).toBe(true);
  });

  test('one flipped bit anywhere never gives a frame that was not sent', () => {
    fc.assert(
      fc.property(
        fc.array(arbFrame, { minLength: 1, maxLength: 4 }),
        fc.nat(),
        fc.nat(7),
        (frames, where, bit) => {
          const stream = Buffer.concat([
            preamble,
            ...frames.map((f) => encodeFrame(f.kind, f.group, f.body)),
          ]);
          const at = where % stream.length;
          stream.writeUInt8(stream.readUInt8(at) ^ (1 << bit), at);
          const { frames: got, error } = parse([stream], 1 << 16);
          expect(got.length).toBeLessThan(frames.length);
          expect(plain(got)).toEqual(plain(frames.slice(0, got.length)));
          if (error !== undefined)
            expect(error).toMatchObject({ code: expect.stringMatching(/^WIRE_/) as string });
        },
      ),
      { seed: 20_262, numRuns: 500 },
    );
  });

  test('garbage gives a typed error or nothing', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 500 }), fc.boolean(), (bytes, greeted) => {
        const { error } = parse(
          greeted ? [Buffer.from(preamble), Buffer.from(bytes)] : [Buffer.from(bytes)],
          1 << 16,
        );
        if (error !== undefined)
          expect(error).toMatchObject({ code: expect.stringMatching(/^WIRE_/) as string });
      }),
      { seed: 20_263, numRuns: 500 },
    );
  });

  test('memory follows the bytes that came, not the length that was announced', () => {
    const parser = new FrameParser({ maxFrameBytes: 1 << 30, onFrame: () => undefined });
    const head = Buffer.alloc(4);
    head.writeUInt32BE(1 << 29);
    parser.push(Buffer.concat([preamble, head]));
    expect(parser.heldBytes).toBe(1 << 20);
    parser.push(Buffer.alloc(3 << 20));
    expect(parser.heldBytes).toBeLessThanOrEqual(8 << 20);
  });

  test('a length beyond the bound is refused before any memory is taken', () => {
    const head = Buffer.alloc(4);
    head.writeUInt32BE(0xffff_ffff);
    const parser = new FrameParser({ maxFrameBytes: 1 << 16, onFrame: () => undefined });
    expect(() => {
      parser.push(Buffer.concat([preamble, head]));
    }).toThrow(expect.objectContaining({ code: 'WIRE_TOO_LARGE' }));
    expect(parser.heldBytes).toBe(0);
  });

  test('a body does not keep the receive buffer alive', () => {
    const input = Buffer.concat([
      preamble,
      encodeFrame(FrameKind.Message, 'g', Buffer.alloc(10_000)),
      Buffer.alloc(0),
    ]);
    const { frames } = parse([input]);
    expect(frames[0]?.body.buffer).not.toBe(input.buffer);
    expect(frames[0]?.body.buffer.byteLength).toBeLessThan(11_000);
  });
});
