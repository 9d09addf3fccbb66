/** A store that takes its time to begin a snapshot, as one on another machine does. */
import { Message, MessageType, type SnapshotWriter, type Storage } from '@balsa/raft-core';
import { expect, test } from 'vitest';
import { MetricsRecorder } from '../src/metrics.ts';
import { encodeDescription } from '../src/snapshot-description.ts';
import { SnapshotsIn } from '../src/snapshots-in.ts';

const confState = { voters: [1, 2], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
const metadata = { index: 7, term: 2, confState };
const offer = { metadata, chunkCount: 3, bytes: 30, checksum: 5 };
const data = encodeDescription({ id: 's', chunkCount: 3, bytes: 30, checksum: 5, members: [], removed: [] });
const message = new Message(MessageType.MsgSnap, { from: 2, to: 1, term: 2, snapshot: { metadata, data } });

interface Slow {
  readonly incoming: SnapshotsIn;
  readonly aborted: () => number;
  begin(): void;
}

function slow(): Slow {
  let aborted = 0;
  let begin: (writer: SnapshotWriter) => void = () => undefined;
  const writer = {
    chunkCount: 0,
    abort: async () => {
      aborted++;
    },
  } as unknown as SnapshotWriter;
  const storage = {
    receiveSnapshot: () => new Promise<SnapshotWriter>((resolve) => (begin = resolve)),
  } as unknown as Storage;
  const incoming = new SnapshotsIn({
    storage,
    metrics: new MetricsRecorder(),
    refusal: () => undefined,
    holds: () => false,
    onHeld: () => undefined,
    onStored: () => undefined,
    onProgress: () => undefined,
  });
  return { incoming, aborted: () => aborted, begin: () => begin(writer) };
}

test('progress can be asked for while the store has not yet begun', async () => {
  const { incoming, begin } = slow();
  const sink = incoming.onOffer(2, message, offer);
  await Promise.resolve();
  expect(incoming.progress).toMatchObject({ peer: 2, index: 7, chunks: 0, totalChunks: 3, state: 'running' });
  begin();
  expect((await sink).nextChunk).toBe(0);
});

test('closing while the store has not yet begun waits for it, and leaves nothing of it', async () => {
  const { incoming, begin, aborted } = slow();
  const sink = incoming.onOffer(2, message, offer);
  await Promise.resolve();
  const closing = incoming.close();
  begin();
  await expect(sink).rejects.toMatchObject({ code: 'SNAPSHOT_TRANSFER_FAILED' });
  await closing;
  expect(aborted()).toBe(1);
});

test('a snapshot whose writer failed is begun anew, not resumed', async () => {
  let begun = 0;
  const storage = {
    receiveSnapshot: () => {
      begun++;
      const write = begun === 1 ? () => Promise.reject(new Error('no space')) : () => Promise.resolve();
      return Promise.resolve({ chunkCount: 0, write, abort: () => Promise.resolve() });
    },
  } as unknown as Storage;
  const incoming = new SnapshotsIn({
    storage,
    metrics: new MetricsRecorder(),
    refusal: () => undefined,
    holds: () => false,
    onStored: () => undefined,
    onHeld: () => undefined,
    onProgress: () => undefined,
  });
  const first = await incoming.onOffer(2, message, offer);
  await expect(first.write(new Uint8Array(10))).rejects.toThrow('no space');
  await first.abort(new Error('no space'));
  const second = await incoming.onOffer(2, message, offer);
  await second.write(new Uint8Array(10));
  expect(begun).toBe(2);
  // One that only lost its connection goes on where it was.
  await second.abort(new Error('cut'));
  await incoming.onOffer(2, message, offer);
  expect(begun).toBe(2);
});
