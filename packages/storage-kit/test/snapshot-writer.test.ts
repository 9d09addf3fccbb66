import { BalsaError, EmptyConfState, maxChunkBytes } from '@balsa/raft-core';
import { SinkSnapshotWriter, crc32, type SnapshotSink } from '@balsa/storage-kit';
import { describe, expect, test } from 'vitest';

type Call = keyof SnapshotSink;

/** A sink that notes what is asked of it, fails where it is told to, and sees whether two calls overlap. */
class ListSink implements SnapshotSink {
  readonly asked: string[] = [];
  readonly failing = new Set<Call>();
  overlaps = 0;
  #busy = 0;

  append(chunk: Uint8Array, n: number): Promise<void> {
    return this.#ask('append', `${String(n)} of ${String(chunk.length)} bytes`);
  }

  commit(): Promise<void> {
    return this.#ask('commit');
  }

  discard(): Promise<void> {
    return this.#ask('discard');
  }

  async #ask(call: Call, what = ''): Promise<void> {
    this.asked.push(`${call} ${what}`.trim());
    if (++this.#busy > 1) this.overlaps++;
    await new Promise(setImmediate);
    this.#busy--;
    if (this.failing.has(call)) throw new BalsaError('STORE_UNAVAILABLE', `cannot ${call}`);
  }
}

function begin() {
  const sink = new ListSink();
  const ends: string[] = [];
  const writer = new SinkSnapshotWriter({
    id: '5-2-1-00000000',
    origin: 'received',
    metadata: { index: 5, term: 2, confState: EmptyConfState },
    sink,
    ended: () => ends.push('ended'),
  });
  return { sink, ends, writer };
}

const one = new Uint8Array(3).fill(1);
const two = new Uint8Array(5).fill(2);
const aborted = { code: 'STORE_SNAPSHOT_ABORTED', details: { id: '5-2-1-00000000' } };

describe('the writer of a snapshot', () => {
  test('asks for one thing at a time, in the order of the calls, and commits what they sum up to', async () => {
    const { sink, ends, writer } = begin();
    const summary = { chunkCount: 2, bytes: 8, checksum: crc32(two, crc32(one)) };
    const [, , stored] = await Promise.all([writer.write(one), writer.write(two), writer.commit(summary)]);
    expect(stored).toEqual({
      id: writer.id,
      origin: 'received',
      metadata: { index: 5, term: 2, confState: EmptyConfState },
      ...summary,
    });
    expect(sink.asked).toEqual(['append 0 of 3 bytes', 'append 1 of 5 bytes', 'commit']);
    expect(sink.overlaps).toBe(0);
    expect(ends).toEqual(['ended']);
  });

  test('is over once it is committed, and aborting changes nothing of that', async () => {
    const { sink, ends, writer } = begin();
    await writer.commit();
    await writer.abort();
    await expect(writer.write(one)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(writer.commit()).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(sink.asked).toEqual(['commit']);
    expect(ends).toEqual(['ended']);
  });

  test('discards once when it is aborted, after what is under way', async () => {
    const { sink, ends, writer } = begin();
    await Promise.all([writer.write(one), writer.abort(), writer.abort()]);
    await expect(writer.write(two)).rejects.toMatchObject(aborted);
    await expect(writer.commit()).rejects.toMatchObject(aborted);
    expect(sink.asked).toEqual(['append 0 of 3 bytes', 'discard']);
    expect(sink.overlaps).toBe(0);
    expect(ends).toEqual(['ended']);
  });

  test.each(['append', 'commit'] as const)('a failing %s discards, and is what is told', async (call) => {
    const { sink, ends, writer } = begin();
    sink.failing.add(call);
    const run = call === 'append' ? writer.write(one) : writer.commit();
    await expect(run).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', message: `cannot ${call}` });
    await expect(writer.write(two)).rejects.toMatchObject(aborted);
    expect(sink.asked.at(-1)).toBe('discard');
    expect(writer.chunkCount).toBe(0);
    expect(ends).toEqual(['ended']);
  });

  test('a failing discard is told with what led to it, and the writer is over all the same', async () => {
    const { sink, ends, writer } = begin();
    sink.failing.add('append').add('discard');
    const failure: unknown = await writer.write(one).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'STORE_UNAVAILABLE', message: 'cannot append' });
    const { errors } = (failure as BalsaError).cause as AggregateError;
    expect(errors.map(String)).toEqual([
      expect.stringContaining('cannot append'),
      expect.stringContaining('cannot discard'),
    ]);
    expect(ends).toEqual(['ended']);
    await writer.abort();
    expect(sink.asked.filter((asked) => asked === 'discard')).toHaveLength(1);
  });

  test.each([
    ['chunkCount', 2],
    ['bytes', 4],
    ['checksum', 1],
  ] as const)('another %s than was announced is never committed', async (field, announced) => {
    const { sink, writer } = begin();
    await writer.write(one);
    const summary = { chunkCount: 1, bytes: 3, checksum: crc32(one) };
    await expect(writer.commit({ ...summary, [field]: announced })).rejects.toMatchObject({
      code: 'STORE_SNAPSHOT_INVALID',
      details: { id: writer.id, field, got: summary[field], expected: announced },
    });
    expect(sink.asked).toEqual(['append 0 of 3 bytes', 'discard']);
  });

  test('a chunk that is too large is refused, and the one after it is taken', async () => {
    const { sink, writer } = begin();
    await expect(writer.write(new Uint8Array(maxChunkBytes + 1))).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
    await writer.write(one);
    expect(sink.asked).toEqual(['append 0 of 3 bytes']);
    expect(writer.chunkCount).toBe(1);
  });
});
