import { connect, type Socket } from 'node:net';
import { crc32 } from 'node:zlib';
import { BalsaError, Message, MessageType, type SnapshotSink, type SnapshotSource } from '@balsa/raft-core';
import { describe, expect, test } from 'vitest';
import { encodeFrame, FrameKind } from '../src/frame.ts';
import { decodeFailure, encodeNumbers, encodeOffer } from '../src/snapshot-wire.ts';
import { node, pair, rawGreeted, until, type Node, type RawPeer } from './helpers.ts';

const chunkBytes = 256 * 1024;
const metadata = {
  index: 10,
  term: 2,
  confState: { voters: [1, 2], votersOutgoing: [], learners: [3], learnersNext: [], autoLeave: false },
};

function snap(to = 2, from = 1): Message {
  return new Message(MessageType.MsgSnap, {
    from,
    to,
    term: 2,
    snapshot: { metadata, data: Uint8Array.of(5) },
  });
}

interface Source extends SnapshotSource {
  readonly asked: number[];
}

function source(chunkCount: number, size = chunkBytes): Source {
  const make = (n: number): Buffer => Buffer.alloc(size, n + 1);
  let checksum = 0;
  for (let n = 0; n < chunkCount; n++) checksum = crc32(make(n), checksum);
  const asked: number[] = [];
  return {
    metadata,
    chunkCount,
    bytes: chunkCount * size,
    checksum,
    asked,
    chunk(n) {
      asked.push(n);
      return Promise.resolve(make(n));
    },
  };
}

interface Store extends SnapshotSink {
  /** First byte of each chunk. */
  readonly chunks: number[];
  readonly log: string[];
  bytes: number;
  checksum: number;
  finished: boolean;
  aborted: unknown;
}

function store(nextChunk = 0, onWrite: (n: number) => Promise<void> = () => Promise.resolve()): Store {
  let busy = false;
  const alone = async (what: string, work: () => Promise<void>): Promise<void> => {
    it.log.push(what);
    if (busy) it.log.push('overlap');
    busy = true;
    try {
      await work();
    } finally {
      busy = false;
    }
  };
  const it: Store = {
    nextChunk,
    chunks: [],
    log: [],
    bytes: 0,
    checksum: 0,
    finished: false,
    aborted: undefined,
    write: (chunk) =>
      alone('write', async () => {
        await onWrite(it.chunks.length);
        it.chunks.push(chunk[0] ?? 0);
        it.bytes += chunk.length;
        it.checksum = crc32(chunk, it.checksum);
      }),
    finish: () =>
      alone('finish', () => {
        it.finished = true;
        return Promise.resolve();
      }),
    abort: (cause) =>
      alone('abort', () => {
        it.aborted = cause;
        return Promise.resolve();
      }),
  };
  return it;
}

const outcome = (done: Promise<void>): Promise<unknown> =>
  done.then(
    () => 'done',
    (e: unknown) => e,
  );

/** A gate that a test opens. */
function gate(): { readonly wait: Promise<void>; open(): void } {
  let open: () => void = () => undefined;
  const wait = new Promise<void>((resolve) => (open = resolve));
  return { wait, open };
}

function takes(to: Node, ...sinks: SnapshotSink[]): void {
  let next = 0;
  to.handler.sink = () => {
    const sink = sinks[next++];
    return sink === undefined
      ? Promise.reject(new BalsaError('OVERLOADED', 'no sink left'))
      : Promise.resolve(sink);
  };
}

describe('snapshots', () => {
  test('64 MiB into a slow sink: whole, in order, never more under way than the window', async () => {
    const [a, b] = await pair();
    let most = 0;
    const from = source(256);
    const sink = store(0, async () => {
      await new Promise((resolve) => setImmediate(resolve));
      most = Math.max(most, from.asked.length - sink.chunks.length);
    });
    let offered: unknown;
    b.handler.sink = (message, announced) => {
      offered = { message, announced };
      return Promise.resolve(sink);
    };
    const transfer = a.transport.sendSnapshot('g', snap(), from);
    expect(await outcome(transfer.done)).toBe('done');
    expect(sink.finished).toBe(true);
    expect(sink.bytes).toBe(64 << 20);
    expect(sink.checksum).toBe(from.checksum);
    expect(transfer.sentChunks).toBe(256);
    expect(sink.log).not.toContain('overlap');
    // The window of 4; chunk number 4 is not even read before one of them was taken.
    expect(most).toBeLessThanOrEqual(4);
    expect(most).toBeGreaterThan(1);
    expect(offered).toMatchObject({
      message: { type: MessageType.MsgSnap, snapshot: { metadata } },
      announced: { metadata, chunkCount: 256, bytes: 64 << 20, checksum: from.checksum },
    });
    expect([...a.handler.events, ...b.handler.events]).toEqual([]);
  });

  test('an empty snapshot, and empty chunks, travel too', async () => {
    const [a, b] = await pair();
    const [none, hollow] = [store(), store()];
    takes(b, none, hollow);
    expect(await outcome(a.transport.sendSnapshot('g', snap(), source(0)).done)).toBe('done');
    expect(await outcome(a.transport.sendSnapshot('g', snap(), source(3, 0)).done)).toBe('done');
    expect([none.finished, hollow.finished, hollow.chunks.length]).toEqual([true, true, 3]);
  });

  test('a cut connection fails it on both sides, and a second transfer resumes', async () => {
    const sockets: Socket[] = [];
    const [a, b] = await pair({
      socketFactory: ({ host, port }, onConnected) => {
        const socket = connect({ host, port }, onConnected);
        sockets.push(socket);
        return socket;
      },
    });
    const first = store(0, (n) => {
      if (n === 7) sockets.at(-1)?.destroy();
      return Promise.resolve();
    });
    takes(b, first);
    const broken = a.transport.sendSnapshot('g', snap(), source(20));
    expect(await outcome(broken.done)).toMatchObject({
      code: 'SNAPSHOT_TRANSFER_FAILED',
      cause: { code: 'PEER_UNREACHABLE' },
    });
    await until(() => first.aborted !== undefined, 'the sink to be told');
    expect(first.log).not.toContain('overlap');
    expect(first.finished).toBe(false);
    const rest = store(first.chunks.length);
    takes(b, rest);
    const from = source(20);
    const resumed = a.transport.sendSnapshot('g', snap(), from);
    expect(await outcome(resumed.done)).toBe('done');
    expect(from.asked[0]).toBe(first.chunks.length);
    expect([...first.chunks, ...rest.chunks]).toEqual(Array.from({ length: 20 }, (_, n) => n + 1));
    expect(a.handler.events).toEqual([]);
  });

  test('a refusal reaches the sender with its code', async () => {
    const [a, b] = await pair();
    b.handler.sink = () =>
      Promise.reject(new BalsaError('STORE_SNAPSHOT_OUT_OF_DATE', 'index 10 is applied already'));
    const from = source(3);
    expect(await outcome(a.transport.sendSnapshot('g', snap(), from).done)).toMatchObject({
      code: 'SNAPSHOT_TRANSFER_FAILED',
      message: expect.stringContaining('index 10 is applied already') as string,
      cause: { code: 'STORE_SNAPSHOT_OUT_OF_DATE' },
    });
    expect(from.asked).toEqual([]);
  });

  test('the sender aborts: both sides end, the sink is told, the source is left alone', async () => {
    const [a, b] = await pair();
    const hold = gate();
    const sink = store(0, (n) => (n === 2 ? hold.wait : Promise.resolve()));
    takes(b, sink);
    const from = source(20);
    const transfer = a.transport.sendSnapshot('g', snap(), from);
    await until(() => sink.chunks.length === 2, 'two chunks');
    transfer.abort('a newer one is there');
    expect(await outcome(transfer.done)).toMatchObject({
      code: 'SNAPSHOT_TRANSFER_FAILED',
      cause: { code: 'ABORTED' },
    });
    hold.open();
    await until(() => sink.aborted !== undefined, 'the sink to be told');
    expect(String(sink.aborted)).toContain('a newer one is there');
    expect(sink.log.slice(-1)).toEqual(['abort']);
    expect(sink.log).not.toContain('overlap');
    transfer.abort('again');
    expect(from.asked.length).toBeLessThanOrEqual(6);
  });

  test('a sink that fails ends it with its code on the sending side', async () => {
    const [a, b] = await pair();
    const sink = store(0, (n) =>
      n === 2 ? Promise.reject(new BalsaError('STORE_IO', 'disk full')) : Promise.resolve(),
    );
    takes(b, sink);
    expect(await outcome(a.transport.sendSnapshot('g', snap(), source(20)).done)).toMatchObject({
      cause: { code: 'STORE_IO' },
    });
    await until(() => sink.aborted !== undefined, 'the sink to be told');
    expect(sink.finished).toBe(false);
  });

  test('done waits for finish, and fails when finish fails', async () => {
    const [a, b] = await pair();
    const hold = gate();
    const sink = store();
    takes(b, {
      ...sink,
      nextChunk: 0,
      finish: () => hold.wait.then(() => Promise.reject(new Error('sync failed'))),
    });
    let settled = false;
    const result = outcome(a.transport.sendSnapshot('g', snap(), source(2)).done).finally(
      () => (settled = true),
    );
    await until(() => sink.chunks.length === 2, 'both chunks');
    await new Promise((resolve) => setImmediate(resolve));
    expect(settled).toBe(false);
    hold.open();
    expect(String(await result)).toContain('sync failed');
    await until(() => sink.log.includes('abort'), 'the sink to be told');
  });

  test('a connection lost while the sink finishes does not abort what it then has stored', async () => {
    const [a, b] = await pair();
    const hold = gate();
    const sink = store();
    let finishing = false;
    takes(b, {
      ...sink,
      nextChunk: 0,
      finish: () => {
        finishing = true;
        return hold.wait;
      },
    });
    const transfer = a.transport.sendSnapshot('g', snap(), source(2));
    await until(() => finishing, 'finish');
    transfer.abort('never mind');
    expect(await outcome(transfer.done)).toMatchObject({ cause: { code: 'ABORTED' } });
    await until(
      () => b.transport.stats().receivedBytes >= a.transport.stats().sentBytes,
      'the abort to arrive',
    );
    hold.open();
    await b.transport.stop();
    expect(sink.log).toEqual(['write', 'write']);
  });

  test('chunks that are not what was announced never finish', async () => {
    const [a, b] = await pair();
    const sink = store();
    takes(b, sink);
    const lying = { ...source(3), checksum: 1234 };
    expect(await outcome(a.transport.sendSnapshot('g', snap(), lying).done)).toMatchObject({
      cause: { code: 'STORE_SNAPSHOT_INVALID' },
    });
    await until(() => sink.aborted !== undefined, 'the sink to be told');
    expect(sink.finished).toBe(false);
  });

  test('a source that fails, or gives a chunk too large, fails it and tells the sink', async () => {
    const [a, b] = await pair();
    const [first, second] = [store(), store()];
    takes(b, first, second);
    const unreadable = { ...source(3), chunk: () => Promise.reject(new Error('bad sector')) };
    expect(String(await outcome(a.transport.sendSnapshot('g', snap(), unreadable).done))).toContain(
      'bad sector',
    );
    await until(() => first.aborted !== undefined, 'the first sink to be told');
    expect(String(first.aborted)).toContain('bad sector');
    const tooLarge = { ...source(3), chunk: () => Promise.resolve(Buffer.alloc((1 << 20) + 1)) };
    expect(String(await outcome(a.transport.sendSnapshot('g', snap(), tooLarge).done))).toContain(
      'at most 1048576 bytes',
    );
    await until(() => second.aborted !== undefined, 'the second sink to be told');
  });

  test('a sink that stalls is given up by the sender', async () => {
    const [a, b] = await pair({ limits: { snapshotStallMs: 40 } });
    const hold = gate();
    const sink = store(0, (n) => (n === 1 ? hold.wait : Promise.resolve()));
    takes(b, sink);
    expect(await outcome(a.transport.sendSnapshot('g', snap(), source(20)).done)).toMatchObject({
      cause: { code: 'TIMEOUT' },
    });
    hold.open();
    await until(() => sink.aborted !== undefined, 'the sink to be told');
  });

  test('verifying and storing may take longer than a stall, up to its own bound', async () => {
    const [a, b] = await pair(
      { limits: { snapshotStallMs: 30, snapshotFinishMs: 100 } },
      { limits: { stopTimeoutMs: 50 } },
    );
    const sink = store();
    takes(b, { ...sink, nextChunk: 0, finish: () => new Promise(() => undefined) });
    const before = performance.now();
    expect(await outcome(a.transport.sendSnapshot('g', snap(), source(2)).done)).toMatchObject({
      cause: { code: 'TIMEOUT' },
    });
    expect(performance.now() - before).toBeGreaterThan(60);
    expect(sink.chunks.length).toBe(2);
  });

  test('the number of transfers is bounded on either side', async () => {
    const [a, b] = await pair(
      { limits: { maxOutgoingSnapshots: 2 } },
      { limits: { maxIncomingSnapshots: 1 } },
    );
    const hold = gate();
    takes(
      b,
      store(0, () => hold.wait),
      store(),
    );
    const first = a.transport.sendSnapshot('g', snap(), source(1));
    await until(() => a.transport.stats().sentBytes > chunkBytes, 'the first under way');
    const second = a.transport.sendSnapshot('h', snap(), source(1));
    const third = a.transport.sendSnapshot('i', snap(), source(1));
    expect(await outcome(third.done)).toMatchObject({ cause: { code: 'OVERLOADED' } });
    expect(await outcome(second.done)).toMatchObject({
      cause: { code: 'OVERLOADED' },
      message: expect.stringContaining('node 2 receives 1') as string,
    });
    hold.open();
    expect(await outcome(first.done)).toBe('done');
    expect(await outcome(a.transport.sendSnapshot('g', snap(), source(1)).done)).toBe('done');
  });

  test('a transfer begun anew by the same peer ends the earlier one first, whatever the limit', async () => {
    const a = await node(1, { limits: { maxIncomingSnapshots: 1 } });
    const hold = gate();
    const [first, second] = [store(0, () => hold.wait), store()];
    takes(a, first, second);
    const offer = encodeFrame(FrameKind.SnapshotOffer, 'g', encodeOffer(snap(1, 9), source(20, 10)));
    const old = await rawGreeted(a.address, { purpose: 'snapshot' });
    old.socket.write(offer);
    await until(() => old.frames.some((f) => f.kind === FrameKind.SnapshotAccept), 'the first acceptance');
    old.socket.write(
      encodeFrame(FrameKind.SnapshotChunk, 'g', Buffer.concat([encodeNumbers(0), Buffer.alloc(10)])),
    );
    await until(() => first.log.length === 1, 'the first write');
    const fresh = await rawGreeted(a.address, { purpose: 'snapshot' });
    fresh.socket.write(offer);
    await until(() => old.closed, 'the end of the old one');
    expect(fresh.frames.length).toBe(1);
    hold.open();
    await until(() => fresh.frames.some((f) => f.kind === FrameKind.SnapshotAccept), 'the second acceptance');
    expect(first.log).toEqual(['write', 'abort']);
  });

  test('a transfer that has to pause for the rate limit still ends well', async () => {
    const [a, b] = await pair({ limits: { snapshotBytesPerSecond: 1 << 20 } });
    const sink = store();
    takes(b, sink);
    expect(await outcome(a.transport.sendSnapshot('g', snap(), source(4, 40_000)).done)).toBe('done');
    expect(sink.chunks).toEqual([1, 2, 3, 4]);
  });

  test('without an address, a listener or a running transport it fails at once', async () => {
    const a = await node(1);
    const gone = await node(3);
    await gone.transport.stop();
    expect(await outcome(a.transport.sendSnapshot('g', snap(), source(1)).done)).toMatchObject({
      cause: { code: 'PEER_UNREACHABLE' },
    });
    a.transport.setPeer(3, gone.address);
    expect(await outcome(a.transport.sendSnapshot('g', snap(3), source(1)).done)).toMatchObject({
      cause: { code: 'PEER_UNREACHABLE' },
    });
    await a.transport.stop();
    expect(await outcome(a.transport.sendSnapshot('g', snap(), source(1)).done)).toMatchObject({
      cause: { code: 'STOPPED' },
    });
  });

  test('stop of either side in mid-transfer settles it and tells the sink before it resolves', async () => {
    for (const stopper of [0, 1] as const) {
      const nodes = await pair();
      const [a, b] = nodes;
      const hold = gate();
      const sink = store(0, (n) => (n === 2 ? hold.wait : Promise.resolve()));
      takes(b, sink);
      const result = outcome(a.transport.sendSnapshot('g', snap(), source(20)).done);
      await until(() => sink.chunks.length === 2, 'two chunks');
      const stopped = nodes[stopper].transport.stop();
      expect(await result).toMatchObject({ code: 'SNAPSHOT_TRANSFER_FAILED' });
      hold.open();
      await stopped;
      if (stopper === 1) expect(sink.aborted).toBeDefined();
      else await until(() => sink.aborted !== undefined, 'the sink to be told');
      expect(sink.log).not.toContain('overlap');
    }
  });

  test('a sink that never settles does not hold up stop for ever', async () => {
    const [a, b] = await pair({}, { limits: { stopTimeoutMs: 50 } });
    const sink = store(0, () => new Promise(() => undefined));
    takes(b, sink);
    const result = outcome(a.transport.sendSnapshot('g', snap(), source(5)).done);
    await until(() => sink.log.length === 1, 'the first write');
    await b.transport.stop();
    expect(await result).toMatchObject({ code: 'SNAPSHOT_TRANSFER_FAILED' });
    expect(b.env.lines.join()).toContain('telling the snapshot sinks took longer');
    expect(b.env.live.size).toBe(0);
  });

  test('removePeer ends the transfers with that peer', async () => {
    const [a, b] = await pair({}, { limits: { stopTimeoutMs: 50 } });
    const sink = store(0, () => new Promise(() => undefined));
    takes(b, sink);
    const result = outcome(a.transport.sendSnapshot('g', snap(), source(5)).done);
    await until(() => sink.log.length === 1, 'the first write');
    a.transport.removePeer(2);
    expect(await result).toMatchObject({ cause: { code: 'ABORTED' } });
    await b.transport.stop();
  });
});

describe('a hostile sender of snapshots', () => {
  const frame = (kind: FrameKind, body: Buffer): Buffer => encodeFrame(kind, 'g', body);
  const chunk = (n: number, size = 10): Buffer =>
    frame(FrameKind.SnapshotChunk, Buffer.concat([encodeNumbers(n), Buffer.alloc(size)]));
  const offer = frame(FrameKind.SnapshotOffer, encodeOffer(snap(1, 9), source(20, 10)));

  async function accepted(sink: SnapshotSink): Promise<readonly [Node, RawPeer]> {
    const a = await node(1);
    takes(a, sink);
    const peer = await rawGreeted(a.address, { purpose: 'snapshot' });
    peer.socket.write(offer);
    await until(() => peer.frames.some((f) => f.kind === FrameKind.SnapshotAccept), 'the acceptance');
    return [a, peer];
  }

  const attacks: readonly (readonly [string, Buffer])[] = [
    ['a chunk out of order', chunk(1)],
    ['a chunk without a number', frame(FrameKind.SnapshotChunk, Buffer.alloc(2))],
    ['a chunk larger than any', chunk(0, (1 << 20) + 1)],
    ['finish before the end', frame(FrameKind.SnapshotFinish, Buffer.alloc(0))],
    ['a second offer', offer],
    ['an answer instead of a question', frame(FrameKind.SnapshotAck, encodeNumbers(1))],
  ];
  for (const [what, bytes] of attacks) {
    test(`${what}: counted, cut off, the sink is told`, async () => {
      const sink = store();
      const [a, peer] = await accepted(sink);
      peer.socket.write(bytes);
      await until(() => peer.closed && sink.aborted !== undefined, 'the end');
      expect(a.transport.stats().rejectedFrames).toEqual({ WIRE_MALFORMED: 1 });
      expect(sink.finished).toBe(false);
    });
  }

  test('more chunks than the window allows are cut off', async () => {
    const hold = gate();
    const sink = store(0, () => hold.wait);
    const [a, peer] = await accepted(sink);
    peer.socket.write(Buffer.concat([0, 1, 2, 3, 4].map((n) => chunk(n))));
    await until(() => peer.closed, 'the close');
    hold.open();
    await until(() => sink.aborted !== undefined, 'the sink to be told');
    expect(sink.chunks.length).toBeLessThanOrEqual(4);
    expect(a.transport.stats().rejectedFrames).toEqual({ WIRE_MALFORMED: 1 });
  });

  test('an offer that is damaged or for another node never reaches the handler', async () => {
    for (const body of [Buffer.alloc(3), Buffer.alloc(64, 0xff), encodeOffer(snap(7, 9), source(1, 10))]) {
      const a = await node(1);
      const peer = await rawGreeted(a.address, { purpose: 'snapshot' });
      peer.socket.write(frame(FrameKind.SnapshotOffer, body));
      await until(() => peer.closed, 'the close');
      expect(a.transport.stats().rejectedFrames).toEqual({ WIRE_MALFORMED: 1 });
    }
  });

  test('one that falls silent is given up, and told so', async () => {
    const a = await node(1, { limits: { snapshotStallMs: 30 } });
    const sink = store();
    takes(a, sink);
    const peer = await rawGreeted(a.address, { purpose: 'snapshot' });
    peer.socket.write(offer);
    await until(() => peer.closed && sink.aborted !== undefined, 'the end');
    const failure = peer.frames.find((f) => f.kind === FrameKind.SnapshotFail);
    expect(decodeFailure(failure?.body ?? Buffer.alloc(0)).code).toBe('TIMEOUT');
  });

  test('one that goes away before the handler gave a sink: the late sink is told', async () => {
    const a = await node(1);
    const sink = store();
    const hold = gate();
    a.handler.sink = () => hold.wait.then(() => sink);
    const peer = await rawGreeted(a.address, { purpose: 'snapshot' });
    peer.socket.write(offer);
    await until(() => a.transport.stats().receivedBytes > offer.length, 'the offer');
    peer.socket.destroy();
    await until(() => peer.closed, 'the close');
    hold.open();
    await until(() => sink.aborted !== undefined, 'the sink to be told');
    expect(sink.chunks).toEqual([]);
  });
});
