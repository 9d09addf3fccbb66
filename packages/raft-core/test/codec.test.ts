import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import protobuf from 'protobufjs';
import { describe, expect, test } from 'vitest';
import { decodeConfChange, encodeConfChange } from '../src/codec/conf-change.ts';
import { decodeEntry, encodeEntry, entryEncodedSize } from '../src/codec/entry.ts';
import { decodeMessage, encodeMessage, maxDecodedEntries, messageSize } from '../src/codec/message.ts';
import {
  decodeConfState,
  decodeSnapshotMetadata,
  encodeConfState,
  encodeSnapshotMetadata,
} from '../src/codec/snapshot.ts';
import { entrySize } from '../src/entry-size.ts';
import { isBalsaError, type ErrorCode } from '../src/errors.ts';
import {
  LocalAppendThread,
  LocalApplyThread,
  Message,
  MessageType,
  type MessageFields,
} from '../src/message.ts';
import { plainEntry, ReceivedEntry } from '../src/received-entry.ts';
import {
  ConfChangeType,
  Entry,
  EntryType,
  type ConfChange,
  type ConfState,
  type Snapshot,
} from '../src/types.ts';

// protobufjs reads the contract itself: an encoder that strays from the .proto fails here.
const contract = protobuf.parse(
  readFileSync(new URL('../proto/balsa-raft.proto', import.meta.url), 'utf8'),
).root;
const Wire = contract.lookupType('balsa.raft.Message');

const seed = 20261123;
const options = { seed, numRuns: 400 };

const uint = fc.oneof(
  fc.nat(300),
  fc.constantFrom(
    127,
    128,
    16383,
    16384,
    2 ** 21 - 1,
    2 ** 28 - 1,
    2 ** 28,
    2 ** 31,
    2 ** 32 - 1,
    2 ** 32,
    2 ** 35,
    2 ** 42,
    2 ** 49,
    2 ** 52,
  ),
  fc.maxSafeNat().map((n) => Math.min(n, LocalApplyThread - 1)),
);
const number = fc.oneof(uint, fc.constant(Number.MAX_SAFE_INTEGER));
const bytes = fc.uint8Array({ maxLength: 40 });
const ids = fc.uniqueArray(uint, { maxLength: 5 }).map((list) => list.sort((a, b) => a - b));
const entry = fc
  .tuple(number, number, fc.constantFrom(...Object.values(EntryType)), bytes, bytes)
  .map(([term, index, type, data, context]) => new Entry(term, index, type, data, context));
const confState: fc.Arbitrary<ConfState> = fc.record({
  voters: ids,
  votersOutgoing: ids,
  learners: ids,
  learnersNext: ids,
  autoLeave: fc.boolean(),
});
const snapshot: fc.Arbitrary<Snapshot> = fc.record({
  metadata: fc.record({ index: number, term: number, confState }),
  data: bytes,
});
const message = fc
  .record({
    to: uint,
    from: uint,
    term: number,
    logTerm: number,
    index: number,
    entries: fc.array(entry, { maxLength: 4 }),
    commit: number,
    commitTerm: number,
    snapshot: fc.option(snapshot, { nil: undefined }),
    reject: fc.boolean(),
    rejectHint: number,
    context: bytes,
    requestSnapshot: number,
    priority: fc.oneof(
      fc.maxSafeInteger(),
      fc.constantFrom(0, -1, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER),
    ),
  })
  .chain((fields) => fc.constantFrom(...Object.values(MessageType)).map((type) => new Message(type, fields)));
const confChange: fc.Arbitrary<ConfChange> = fc.oneof(
  fc.record({
    version: fc.constant(1 as const),
    id: number,
    type: fc.constantFrom(...Object.values(ConfChangeType)),
    nodeId: uint,
    context: bytes,
  }),
  fc.record({
    version: fc.constant(2 as const),
    transition: fc.constantFrom(0 as const, 1 as const, 2 as const),
    changes: fc.array(fc.record({ type: fc.constantFrom(...Object.values(ConfChangeType)), nodeId: uint }), {
      maxLength: 5,
    }),
    context: bytes,
  }),
);

function encode(m: Message): Uint8Array {
  const target = new Uint8Array(messageSize(m));
  expect(encodeMessage(m, target, 0)).toBe(target.length);
  return target;
}

function codeOf(action: () => unknown): ErrorCode | undefined {
  try {
    action();
  } catch (error) {
    if (!isBalsaError(error)) throw error;
    return error.code;
  }
  return undefined;
}

/** The message as protobufjs takes it. */
function plain(m: Message): Record<string, unknown> {
  return {
    ...Object.fromEntries(Object.entries(m)),
    entries: m.entries.map((e) => Object.fromEntries(Object.entries(e))),
    snapshot: m.snapshot ?? null,
  };
}

function fromPlain(object: Record<string, unknown>): Message {
  const fields = object as unknown as Required<MessageFields> & { readonly type: MessageType };
  const copy = (value: Uint8Array): Uint8Array => new Uint8Array(value);
  return new Message(fields.type, {
    ...fields,
    context: copy(fields.context),
    entries: fields.entries.map((e) => new Entry(e.term, e.index, e.type, copy(e.data), copy(e.context))),
    snapshot: fields.snapshot
      ? { metadata: fields.snapshot.metadata, data: copy(fields.snapshot.data) }
      : undefined,
  });
}

/** Entries of a decoded message keep their payload to themselves until it is read. */
function withPlainEntries(m: Message): Message {
  m.entries = m.entries.map(plainEntry);
  return m;
}

const toObject = { longs: Number, defaults: true, arrays: true } as const;

describe('messages', () => {
  test('what is written is read back the same', () => {
    fc.assert(
      fc.property(message, (m) => {
        expect(withPlainEntries(decodeMessage(encode(m)))).toEqual(m);
      }),
      options,
    );
  });

  test('protobufjs reads what we write', () => {
    fc.assert(
      fc.property(message, (m) => {
        const object = Wire.toObject(Wire.decode(encode(m)), toObject);
        expect(fromPlain(object)).toEqual(m);
      }),
      options,
    );
  });

  test('we read what protobufjs writes', () => {
    fc.assert(
      fc.property(message, (m) => {
        const theirs = Wire.encode(Wire.fromObject(plain(m))).finish();
        expect(withPlainEntries(decodeMessage(theirs))).toEqual(m);
      }),
      options,
    );
  });

  test('the bytes are the canonical ones: fields in order, zeros left out, as protobufjs writes them', () => {
    fc.assert(
      fc.property(message, (m) => {
        const fields = Object.fromEntries(
          Object.entries(plain(m)).filter(
            ([, v]) => !(v === 0 || v === false || v === null || (v instanceof Uint8Array && v.length === 0)),
          ),
        );
        const withoutZeros = (e: Entry): object =>
          Object.fromEntries(
            Object.entries(e).filter(([, v]) => !(v === 0 || (v instanceof Uint8Array && v.length === 0))),
          );
        fc.pre(m.snapshot === undefined);
        const theirs = Wire.encode(
          Wire.fromObject({ ...fields, entries: m.entries.map(withoutZeros) }),
        ).finish();
        expect([...encode(m)]).toEqual([...theirs]);
      }),
      options,
    );
  });

  test('writing at an offset leaves the bytes around it alone', () => {
    const m = new Message(MessageType.MsgApp, { to: 2, from: 1, entries: [new Entry(1, 1)] });
    const size = messageSize(m);
    const target = new Uint8Array(size + 4).fill(0xee);
    expect(encodeMessage(m, target, 2)).toBe(2 + size);
    expect([...target.slice(0, 2), ...target.slice(-2)]).toEqual([0xee, 0xee, 0xee, 0xee]);
    expect(decodeMessage(target.subarray(2, 2 + size))).toEqual(m);
  });

  test('payloads are views of the bytes that were read, also of a part of a larger buffer', () => {
    const m = new Message(MessageType.MsgApp, {
      entries: [new Entry(1, 1, EntryType.Normal, new Uint8Array(50).fill(7))],
    });
    const outer = new Uint8Array(messageSize(m) + 10);
    encodeMessage(m, outer, 10);
    const data = decodeMessage(outer.subarray(10)).entries[0]?.data;
    expect(data?.buffer).toBe(outer.buffer);
    outer.fill(9);
    expect(data?.every((b) => b === 9)).toBe(true);
  });

  test('an entry that came off the wire makes its payload once, when it is read, and says its size before', () => {
    const sent = new Entry(3, 9, EntryType.Normal, new Uint8Array(50).fill(7));
    const got = decodeMessage(encode(new Message(MessageType.MsgApp, { entries: [sent] }))).entries[0];
    if (got === undefined) throw new Error('one entry was sent');
    expect(got).toBeInstanceOf(ReceivedEntry);
    expect(entrySize(got)).toBe(entrySize(sent));
    expect(Object.values(got).some((value) => value instanceof Uint8Array && value.length === 50)).toBe(
      false,
    );
    const { data } = got;
    expect(data).toEqual(sent.data);
    expect(got.data).toBe(data);
    expect(entrySize(got)).toBe(entrySize(sent));
    expect(encode(new Message(MessageType.MsgApp, { entries: [got] }))).toEqual(
      encode(new Message(MessageType.MsgApp, { entries: [sent] })),
    );
  });

  test('an entry that came off the wire is cloned with its payload by way of a plain one', () => {
    const sent = new Entry(3, 9, EntryType.Normal, new Uint8Array([1, 2, 3]));
    const got = decodeMessage(encode(new Message(MessageType.MsgApp, { entries: [sent] }))).entries[0];
    if (got === undefined) throw new Error('one entry was sent');
    expect(structuredClone(plainEntry(got))).toEqual({
      term: 3,
      index: 9,
      type: EntryType.Normal,
      data: sent.data,
      context: sent.context,
    });
    expect(plainEntry(sent)).toBe(sent);
  });

  test('an entry that came off the wire is never cloned without its payload, and says what to do', () => {
    const sent = new Entry(3, 9, EntryType.Normal, new Uint8Array([1, 2, 3]));
    const got = decodeMessage(encode(new Message(MessageType.MsgApp, { entries: [sent] }))).entries[0];
    if (got === undefined) throw new Error('one entry was sent');
    for (const _ of ['before its payload is read', 'after']) {
      expect(() => structuredClone({ entries: [got] })).toThrow(/plainEntry must be taken first/);
      expect(JSON.stringify(got)).toBe(JSON.stringify(sent));
      expect(got.data).toEqual(sent.data);
    }
    expect(got).toBeInstanceOf(Entry);
    expect(new Entry(1, 1)).not.toBeInstanceOf(ReceivedEntry);
  });

  test('a payload that comes twice in an entry counts as it came last, as protobuf has it', () => {
    const entry = [0x22, 2, 1, 1, 0x22, 1, 5, 0x10, 3];
    const m = decodeMessage(new Uint8Array([0x08, 3, 0x3a, entry.length, ...entry]));
    expect(m.entries.map(plainEntry)).toEqual([new Entry(3, 0, EntryType.Normal, new Uint8Array([5]))]);
  });

  test('vote and responses never leave the process', () => {
    const bare = new Message(MessageType.MsgStorageAppend, { to: 1, from: 2 });
    const full = new Message(MessageType.MsgStorageAppend, { to: 1, from: 2, vote: 3, responses: [bare] });
    expect(encode(full)).toEqual(encode(bare));
  });

  test.each([LocalAppendThread, LocalApplyThread])(
    'the id of a local thread (%d) is neither written nor read',
    (id) => {
      for (const field of ['to', 'from'] as const) {
        expect(codeOf(() => messageSize(new Message(MessageType.MsgApp, { [field]: id })))).toBe(
          'OUT_OF_RANGE',
        );
        const theirs = Wire.encode(Wire.fromObject({ type: 20, [field]: id })).finish();
        expect(codeOf(() => decodeMessage(theirs))).toBe('WIRE_MALFORMED');
      }
    },
  );

  test.each([-1, 0.5, NaN, Infinity, 2 ** 53])(
    'a number that is no safe integer >= 0 (%d) is not written',
    (term) => {
      expect(codeOf(() => messageSize(new Message(MessageType.MsgApp, { term })))).toBe('OUT_OF_RANGE');
      expect(codeOf(() => entryEncodedSize(new Entry(1, term)))).toBe('OUT_OF_RANGE');
    },
  );

  test('a target that is too small is refused at every size', () => {
    const m = new Message(MessageType.MsgApp, {
      to: 2,
      context: new Uint8Array(60),
      entries: [new Entry(3, 4, 0, new Uint8Array(40))],
    });
    for (let room = 0; room < messageSize(m); room++) {
      expect(codeOf(() => encodeMessage(m, new Uint8Array(room), 0))).toBe('INVALID_ARGUMENT');
    }
  });
});

describe('bytes that nobody vouches for', () => {
  test('every truncation of a message is a typed error or a shorter message', () => {
    fc.assert(
      fc.property(message, (m) => {
        const whole = encode(m);
        for (let length = 0; length < whole.length; length++) {
          const code = codeOf(() => decodeMessage(whole.subarray(0, length)));
          expect([undefined, 'WIRE_MALFORMED']).toContain(code);
        }
      }),
      { seed, numRuns: 60 },
    );
  });

  test('flipped bytes are a typed error or another message', () => {
    fc.assert(
      fc.property(message, fc.nat(), fc.integer({ min: 1, max: 255 }), (m, where, flip) => {
        const broken = encode(m);
        if (broken.length === 0) return;
        const at = where % broken.length;
        broken[at] = (broken[at] ?? 0) ^ flip;
        expect([undefined, 'WIRE_MALFORMED']).toContain(codeOf(() => decodeMessage(broken)));
      }),
      { seed, numRuns: 2000 },
    );
  });

  test('random bytes are a typed error or a message', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (noise) => {
        for (const decode of [decodeMessage, decodeEntry, decodeConfState, decodeSnapshotMetadata]) {
          expect([undefined, 'WIRE_MALFORMED']).toContain(codeOf(() => decode(noise)));
        }
        for (const type of [EntryType.ConfChange, EntryType.ConfChangeV2]) {
          expect([undefined, 'WIRE_MALFORMED']).toContain(codeOf(() => decodeConfChange(type, noise)));
        }
      }),
      { seed, numRuns: 3000 },
    );
  });

  test.each([
    ['a length beyond the end', [0x3a, 0xff, 0xff, 0xff, 0xff, 0x0f]],
    ['a length above the safe integers', [0x62, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]],
    ['a number above the safe integers', [0x20, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10]],
    ['a number of 64 bits', [0x20, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]],
    ['a varint of more than 64 bits', [0x20, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02]],
    ['a varint of eleven bytes', [0x20, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00]],
    [
      'a priority below the safe integers',
      [0x80, 0x01, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01],
    ],
    ['an unknown message type', [0x08, 0x18]],
    ['an unknown entry type', [0x3a, 0x02, 0x08, 0x03]],
    ['field number 0', [0x00, 0x01]],
    ['a group', [0x9b, 0x01, 0x9c, 0x01]],
    ['wire type 7', [0x9f, 0x01]],
    ['an unknown field that is cut off', [0x99, 0x01, 0, 0]],
    ['an entry that reads over its own end', [0x3a, 0x02, 0x22, 0x05, 1, 2, 3, 4, 5]],
  ])('%s is refused', (_, list) => {
    expect(codeOf(() => decodeMessage(new Uint8Array(list)))).toBe('WIRE_MALFORMED');
  });

  test('unknown fields of every kind are passed over', () => {
    const m = new Message(MessageType.MsgHeartbeat, { to: 1, from: 2, term: 3 });
    const unknown = [
      [0x98, 0x06, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
      [0x99, 0x06, 1, 2, 3, 4, 5, 6, 7, 8],
      [0x9a, 0x06, 2, 0xff, 0xff],
      [0x9d, 0x06, 1, 2, 3, 4],
    ];
    for (const field of unknown) {
      expect(decodeMessage(new Uint8Array([...field, ...encode(m), ...field]))).toEqual(m);
    }
  });

  test("etcd's responses (field 14) are passed over: a peer cannot plant messages", () => {
    const inner = encode(new Message(MessageType.MsgAppResp, { from: 9 }));
    const m = decodeMessage(new Uint8Array([0x08, 19, 0x72, inner.length, ...inner]));
    expect(m.responses).toEqual([]);
  });

  test('the number of entries is bounded', () => {
    const many = new Uint8Array((maxDecodedEntries + 1) * 2);
    for (let i = 0; i < many.length; i += 2) many[i] = 0x3a;
    expect(codeOf(() => decodeMessage(many))).toBe('WIRE_MALFORMED');
  });
});

describe('entries, conf states and metadata by themselves', () => {
  test('are read back the same', () => {
    fc.assert(
      fc.property(entry, confState, number, (e, cs, index) => {
        const target = new Uint8Array(entryEncodedSize(e));
        expect(encodeEntry(e, target, 0)).toBe(target.length);
        expect(decodeEntry(target)).toEqual(e);
        expect(decodeConfState(encodeConfState(cs))).toEqual(cs);
        const metadata = { index, term: index, confState: cs };
        expect(decodeSnapshotMetadata(encodeSnapshotMetadata(metadata))).toEqual(metadata);
      }),
      options,
    );
  });

  test('a conf state reads the same packed (raft-rs) and unpacked (etcd), and comes out in order', () => {
    const packed = new Uint8Array([0x0a, 3, 3, 1, 3]);
    const unpacked = new Uint8Array([0x08, 3, 0x08, 1, 0x08, 3]);
    expect(decodeConfState(packed).voters).toEqual([1, 3]);
    expect(decodeConfState(unpacked).voters).toEqual([1, 3]);
  });
});

describe('membership changes', () => {
  test('are read back the same', () => {
    fc.assert(
      fc.property(confChange, (change) => {
        const { type, data } = encodeConfChange(change);
        expect(type).toBe(change.version === 1 ? EntryType.ConfChange : EntryType.ConfChangeV2);
        expect(decodeConfChange(type, data)).toEqual(change);
      }),
      options,
    );
  });

  test('protobufjs agrees on both versions', () => {
    fc.assert(
      fc.property(confChange, (change) => {
        const type = contract.lookupType(`balsa.raft.ConfChange${change.version === 1 ? '' : 'V2'}`);
        const { type: entryType, data } = encodeConfChange(change);
        const object = type.toObject(type.decode(data), toObject);
        const theirs = type.encode(type.fromObject({ ...change })).finish();
        expect(decodeConfChange(entryType, theirs)).toEqual(change);
        expect(decodeConfChange(entryType, type.encode(type.fromObject(object)).finish())).toEqual(change);
      }),
      options,
    );
  });

  test('the empty second version, which leaves a joint configuration, has no bytes', () => {
    expect(
      encodeConfChange({ version: 2, transition: 0, changes: [], context: new Uint8Array(0) }).data,
    ).toHaveLength(0);
  });

  test('the raft-rs profile has its own number for learners and none for updates', () => {
    const change = (type: ConfChangeType): ConfChange => ({
      version: 1,
      id: 0,
      type,
      nodeId: 7,
      context: new Uint8Array(0),
    });
    const learner = encodeConfChange(change(ConfChangeType.AddLearnerNode), 'raft-rs');
    expect([...learner.data]).toEqual([0x10, 2, 0x18, 7]);
    expect(decodeConfChange(learner.type, learner.data, 'raft-rs')).toEqual(
      change(ConfChangeType.AddLearnerNode),
    );
    expect(decodeConfChange(learner.type, learner.data)).toEqual(change(ConfChangeType.UpdateNode));
    expect(codeOf(() => encodeConfChange(change(ConfChangeType.UpdateNode), 'raft-rs'))).toBe(
      'INVALID_ARGUMENT',
    );
    const etcdLearner = encodeConfChange(change(ConfChangeType.AddLearnerNode));
    expect(codeOf(() => decodeConfChange(etcdLearner.type, etcdLearner.data, 'raft-rs'))).toBe(
      'WIRE_MALFORMED',
    );
  });
});
