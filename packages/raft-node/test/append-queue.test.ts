import {
  EmptyHardState,
  Entry,
  LocalAppendThread,
  Message,
  MessageType,
  type HardState,
  type Storage,
  type WriteBatch,
} from '@balsa/raft-core';
import { createVirtualEnv, type VirtualEnv } from '@balsa/transport-memory';
import { describe, expect, test } from 'vitest';
import { AppendQueue } from '../src/append-queue.ts';
import { MetricsRecorder } from '../src/metrics.ts';

interface Bench {
  readonly env: VirtualEnv;
  readonly queue: AppendQueue;
  readonly writes: WriteBatch[];
  /** Lets the write in flight finish. */
  readonly finish: () => Promise<void>;
  readonly sent: string[];
  readonly errors: unknown[];
}

function bench(hardState: HardState = EmptyHardState): Bench {
  const env = createVirtualEnv({ seed: 1 });
  const writes: WriteBatch[] = [];
  const sent: string[] = [];
  const errors: unknown[] = [];
  let release: () => void = () => undefined;
  const storage = {
    write: (batch: WriteBatch) => {
      writes.push(batch);
      return new Promise<void>((resolve) => {
        release = resolve;
      });
    },
  };
  const queue = new AppendQueue({
    storage: storage as unknown as Storage,
    env,
    metrics: new MetricsRecorder(),
    commitFlushMs: 1000,
    hardState,
    deliver: (responses) =>
      sent.push(...responses.map((m) => `${String(m.to)}:${String(m.type)}:${String(m.index)}`)),
    storedId: () => 'snapshot',
    installer: { recordMembers: () => Promise.resolve(), restore: () => Promise.resolve() },
    onError: (error) => errors.push(error),
  });
  const finish = async (): Promise<void> => {
    await env.settle();
    release();
    await env.settle();
  };
  return { env, queue, writes, finish, sent, errors };
}

const ack = (to: number, index: number): Message => new Message(MessageType.MsgAppResp, { to, index });
const entries = (term: number, ...indexes: number[]): Entry[] =>
  indexes.map((index) => new Entry(term, index));

function append(fields: ConstructorParameters<typeof Message>[1]): Message {
  return new Message(MessageType.MsgStorageAppend, { to: LocalAppendThread, ...fields });
}

describe('group commit', () => {
  test('what arrives during a write goes into one next write, and responses follow it in order', async () => {
    const { queue, writes, finish, sent } = bench();
    queue.push(append({ entries: entries(1, 1), term: 1, vote: 1, responses: [ack(2, 1)] }));
    await Promise.resolve();
    await Promise.resolve();
    queue.push(append({ entries: entries(1, 2), responses: [ack(2, 2)] }));
    queue.push(append({ entries: entries(1, 3), responses: [ack(2, 3)] }));
    expect(sent).toEqual([]);
    await finish();
    expect(sent).toEqual(['2:4:1']);
    await finish();
    expect(sent).toEqual(['2:4:1', '2:4:2', '2:4:3']);
    expect(writes.map((batch) => batch.entries?.map((entry) => entry.index))).toEqual([[1], [2, 3]]);
  });

  test('the end of the log is reported once, and again when it was written anew', async () => {
    const { queue, finish, sent } = bench({ term: 1, vote: 1, commit: 0 });
    const report = (index: number, logTerm: number, term = logTerm): Message[] => [
      new Message(MessageType.MsgStorageAppendResp, { to: 1, index, logTerm, term }),
    ];
    queue.push(append({ entries: entries(1, 1), responses: report(1, 1) }));
    await Promise.resolve();
    await Promise.resolve();
    // The commit index moves while the write is under way, and once more behind it.
    queue.push(append({ term: 1, vote: 1, commit: 1, responses: [...report(1, 1), ack(2, 1)] }));
    await finish();
    queue.push(append({ term: 1, vote: 1, commit: 1, responses: report(1, 1) }));
    await finish();
    expect(sent).toEqual(['1:20:1', '2:4:1']);
    // Overwritten, and overwritten back: each time it is news.
    queue.push(append({ entries: entries(2, 1), responses: report(1, 2) }));
    queue.push(append({ entries: entries(1, 1), responses: report(1, 1, 3) }));
    queue.push(append({ term: 4, vote: 1, responses: report(1, 1, 4) }));
    await finish();
    expect(sent.slice(2)).toEqual(['1:20:1', '1:20:1', '1:20:1']);
  });

  test('later entries replace the suffix, and an ack of what they overwrote is never sent', async () => {
    const { queue, writes, finish, sent } = bench();
    queue.push(append({ entries: entries(1, 1, 2, 3), term: 1, vote: 0, responses: [ack(8, 1), ack(8, 3)] }));
    queue.push(append({ entries: entries(2, 2), term: 2, vote: 0, responses: [ack(9, 2)] }));
    await finish();
    expect(writes).toHaveLength(1);
    expect(writes[0]?.entries?.map((entry) => [entry.index, entry.term])).toEqual([
      [1, 1],
      [2, 2],
    ]);
    expect(writes[0]?.hardState).toMatchObject({ term: 2 });
    expect(sent).toEqual(['8:4:1', '9:4:2']);
  });

  test('an ack of entries that are durable already is dropped too when they are overwritten with it', async () => {
    const { queue, finish, sent } = bench({ term: 1, vote: 0, commit: 0 });
    queue.push(append({ responses: [ack(8, 5)] }));
    queue.push(append({ entries: entries(2, 4), term: 2, responses: [ack(9, 4)] }));
    await finish();
    expect(sent).toEqual(['9:4:4']);
  });

  test('a vote leaves only after the write that holds it', async () => {
    const { env, queue, writes, finish, sent } = bench();
    queue.push(append({ term: 3, vote: 2, responses: [new Message(MessageType.MsgVoteResp, { to: 2 })] }));
    await env.settle();
    expect(writes).toEqual([{ hardState: { term: 3, vote: 2, commit: 0 } }]);
    expect(sent).toEqual([]);
    await finish();
    expect(sent).toHaveLength(1);
  });

  test('a moved commit index writes nothing by itself, and its responses do not wait', async () => {
    const { env, queue, writes, finish, sent } = bench({ term: 1, vote: 1, commit: 1 });
    queue.push(append({ term: 1, vote: 1, commit: 2, responses: [ack(2, 2)] }));
    await env.settle();
    expect(writes).toEqual([]);
    expect(sent).toEqual(['2:4:2']);
    queue.push(append({ entries: entries(1, 3) }));
    await finish();
    expect(writes).toHaveLength(1);
    expect(writes[0]?.hardState).toEqual({ term: 1, vote: 1, commit: 2 });
  });

  test('the installation of a snapshot is a write of its own, in its place, and is marked restored later', async () => {
    const { queue, writes, finish, sent } = bench({ term: 1, vote: 0, commit: 0 });
    const confState = { voters: [1], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
    const snapshot = { metadata: { index: 9, term: 1, confState }, data: new Uint8Array(0) };
    queue.push(append({ entries: entries(1, 1), responses: [ack(2, 1)] }));
    queue.push(append({ snapshot, term: 1, vote: 0, commit: 9, responses: [ack(2, 9)] }));
    queue.push(append({ entries: entries(1, 10), responses: [ack(2, 10)] }));
    await finish();
    expect(sent).toEqual(['2:4:1']);
    await finish();
    expect(sent).toEqual(['2:4:1', '2:4:9']);
    await finish();
    expect(sent).toEqual(['2:4:1', '2:4:9', '2:4:10']);
    expect(writes.map((batch) => Object.keys(batch).sort())).toEqual([
      ['entries'],
      ['hardState', 'install'],
      ['entries', 'restored'],
    ]);
  });

  test('after a failed write nothing is acknowledged and nothing more is written', async () => {
    const { env, queue, writes, sent, errors } = bench();
    const failing = queue as unknown as { push: (m: Message) => void };
    writes.push = (): number => {
      throw new Error('failed sync');
    };
    failing.push(append({ entries: entries(1, 1), term: 1, responses: [ack(2, 1)] }));
    await env.settle();
    queue.push(append({ entries: entries(1, 2), term: 1, responses: [ack(2, 2)] }));
    await env.settle();
    expect(errors).toHaveLength(1);
    expect(sent).toEqual([]);
  });
});
