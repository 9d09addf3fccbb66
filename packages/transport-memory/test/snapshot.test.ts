import { BalsaError, Message, MessageType, type SnapshotSink, type SnapshotSource } from '@balsa/raft-core';
import { describe, expect, test } from 'vitest';
import { cluster, type Cluster } from './helpers.ts';

const metadata = {
  index: 10,
  term: 2,
  confState: { voters: [1, 2], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false },
};
const snap = new Message(MessageType.MsgSnap, {
  from: 1,
  to: 2,
  term: 2,
  snapshot: { metadata, data: new Uint8Array([1]) },
});

function source(chunkCount: number): SnapshotSource & { readonly asked: number[] } {
  const asked: number[] = [];
  return {
    metadata,
    chunkCount,
    bytes: chunkCount * 4,
    checksum: 0,
    asked,
    chunk(n) {
      asked.push(n);
      return Promise.resolve(new Uint8Array([n, n, n, n]));
    },
  };
}

interface Store extends SnapshotSink {
  readonly chunks: number[];
  finished: boolean;
  aborted: unknown;
}

function store(nextChunk = 0, onWrite: (n: number) => Promise<void> = () => Promise.resolve()): Store {
  const chunks: number[] = [];
  return {
    nextChunk,
    chunks,
    finished: false,
    aborted: undefined,
    async write(chunk) {
      await onWrite(chunk[0] ?? -1);
      chunks.push(chunk[0] ?? -1);
    },
    finish() {
      this.finished = true;
      return Promise.resolve();
    },
    abort(cause) {
      this.aborted = cause;
      return Promise.resolve();
    },
  };
}

async function pair(sink: SnapshotSink | Error): Promise<Cluster> {
  const c = await cluster([1, 2], { latencyMs: [1, 1] });
  c.node(2).handler.sink = () => (sink instanceof Error ? Promise.reject(sink) : Promise.resolve(sink));
  return c;
}

const outcome = (done: Promise<void>): Promise<unknown> =>
  done.then(
    () => 'done',
    (e: unknown) => e,
  );

describe('snapshots', () => {
  test('all chunks arrive in order, then it is finished and done', async () => {
    const sink = store();
    const c = await pair(sink);
    const transfer = c.node(1).transport.sendSnapshot('g', snap, source(5));
    const result = outcome(transfer.done);
    await c.env.advance(100);
    expect(await result).toBe('done');
    expect(sink.chunks).toEqual([0, 1, 2, 3, 4]);
    expect(sink.finished).toBe(true);
    expect(transfer.sentChunks).toBe(5);
  });

  test('a sink that has some chunks is given the rest only', async () => {
    const sink = store(3);
    const c = await pair(sink);
    const from = source(5);
    const result = outcome(c.node(1).transport.sendSnapshot('g', snap, from).done);
    await c.env.advance(100);
    expect(await result).toBe('done');
    expect(from.asked).toEqual([3, 4]);
  });

  test('a slow sink holds the sender back', async () => {
    let open: () => void = () => undefined;
    const sink = store(0, (n) => (n === 1 ? new Promise((resolve) => (open = resolve)) : Promise.resolve()));
    const c = await pair(sink);
    const from = source(5);
    const result = outcome(c.node(1).transport.sendSnapshot('g', snap, from).done);
    await c.env.advance(100);
    expect(from.asked).toEqual([0, 1]);
    open();
    await c.env.advance(100);
    expect(await result).toBe('done');
  });

  test('a refusal reaches the sender with its reason', async () => {
    const c = await pair(new BalsaError('OVERLOADED', 'busy with another'));
    const result = outcome(c.node(1).transport.sendSnapshot('g', snap, source(2)).done);
    await c.env.advance(100);
    expect(await result).toMatchObject({ code: 'SNAPSHOT_TRANSFER_FAILED', cause: { code: 'OVERLOADED' } });
  });

  test('a partition on the way fails it at both ends', async () => {
    const sink = store();
    const c = await pair(sink);
    const result = outcome(c.node(1).transport.sendSnapshot('g', snap, source(50)).done);
    await c.env.advance(10);
    c.net.partition([[1], [2]]);
    await c.env.advance(10);
    expect(await result).toMatchObject({
      code: 'SNAPSHOT_TRANSFER_FAILED',
      cause: { code: 'PEER_UNREACHABLE' },
    });
    expect(sink.aborted).toMatchObject({ code: 'SNAPSHOT_TRANSFER_FAILED' });
    expect(sink.finished).toBe(false);
  });

  test('the sender aborts it', async () => {
    const sink = store();
    const c = await pair(sink);
    const transfer = c.node(1).transport.sendSnapshot('g', snap, source(50));
    const result = outcome(transfer.done);
    await c.env.advance(10);
    transfer.abort('no longer needed');
    expect(String(await result)).toContain('no longer needed');
    await c.env.settle();
    expect(sink.aborted).toBeDefined();
  });

  test('a failing sink or source fails it, and the sink is told', async () => {
    const full = store(0, (n) => (n === 2 ? Promise.reject(new Error('disk full')) : Promise.resolve()));
    const c = await pair(full);
    const result = outcome(c.node(1).transport.sendSnapshot('g', snap, source(5)).done);
    await c.env.advance(100);
    expect(String(await result)).toContain('disk full');
    expect(full.aborted).toBeDefined();
    const fine = store();
    const d = await pair(fine);
    const broken = { ...source(5), chunk: () => Promise.reject(new Error('unreadable')) };
    const second = outcome(d.node(1).transport.sendSnapshot('g', snap, broken).done);
    await d.env.advance(100);
    expect(String(await second)).toContain('unreadable');
    expect(fine.aborted).toBeDefined();
  });

  test('stopping either end settles it', async () => {
    for (const id of [1, 2]) {
      const sink = store();
      const c = await pair(sink);
      const result = outcome(c.node(1).transport.sendSnapshot('g', snap, source(50)).done);
      await c.env.advance(10);
      await c.node(id).transport.stop();
      expect(await result).toMatchObject({ code: 'SNAPSHOT_TRANSFER_FAILED' });
      expect(sink.aborted).toBeDefined();
    }
  });

  test('a partition while the sink finishes does not abort what it then has stored', async () => {
    let open: () => void = () => undefined;
    const sink = store();
    const c = await pair({
      ...sink,
      finish: () => new Promise((resolve) => (open = resolve)),
      abort: (cause) => sink.abort(cause),
    });
    const result = outcome(c.node(1).transport.sendSnapshot('g', snap, source(2)).done);
    await c.env.advance(100);
    c.net.isolate(2);
    expect(await result).toMatchObject({ code: 'SNAPSHOT_TRANSFER_FAILED' });
    const aborted = sink.aborted;
    open();
    await c.env.advance(100);
    expect([aborted, sink.aborted]).toEqual([undefined, undefined]);
  });

  test('without a connection it fails at once', async () => {
    const c = await pair(store());
    c.net.isolate(2);
    expect(await outcome(c.node(1).transport.sendSnapshot('g', snap, source(1)).done)).toMatchObject({
      code: 'SNAPSHOT_TRANSFER_FAILED',
    });
  });
});
