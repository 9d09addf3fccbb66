import { describe, expect, test } from 'vitest';
import { GroupWriter } from '../src/group-writer.ts';
import { groupKey } from '../src/keys.ts';
import { RecordWriter, ascii } from '../src/record-writer.ts';
import { seal, unpackGroup, unseal, type GroupRecord } from '../src/records.ts';

const record: GroupRecord = {
  id: 7,
  name: 'orders',
  log: 3,
  term: 1,
  vote: 2,
  commit: 9,
  confIndex: 1,
  conf: { voters: [1, 2, 3], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false },
  boundaryIndex: 0,
  boundaryTerm: 0,
  boundary: { chain: 0, offset: 0 },
  lastIndex: 10,
  last: { chain: 0xffff_ffff, offset: 280 },
  clearedIndex: 0,
  clearedOffset: 0,
  pending: null,
};

const readBack = (bytes: Buffer): GroupRecord => unpackGroup(unseal(groupKey(record.id), bytes, 'a group'));

describe('a record that is written as bytes', () => {
  test('is what seal makes of the same numbers, the largest among them', () => {
    const key = groupKey(1);
    const writer = new RecordWriter(key);
    const powers = Array.from({ length: 16 }, (_, i) => 10 ** i);
    for (const n of [0, ...powers.flatMap((power) => [power - 1, power, 7 * power]), 2 ** 32, 2 ** 53 - 1]) {
      if (!Number.isSafeInteger(n)) continue;
      writer.begin(2, 1);
      writer.character(ascii.open);
      writer.number(n, ascii.comma);
      writer.number(5, ascii.close);
      expect(writer.sealed()).toEqual(seal(key, [n, 5]));
    }
  });

  test('says of a group what it is given, whatever changed since the one before', () => {
    const writer = new GroupWriter(record.id);
    const joint = { ...record.conf, votersOutgoing: [4, 5], learners: [2 ** 53 - 1], autoLeave: true };
    const large = { chain: 4_000_000_000, offset: 2 ** 53 - 1 };
    const changes: Partial<GroupRecord>[] = [
      {},
      { term: 2 ** 53 - 1, vote: 0, commit: 123_456_789_012 },
      { conf: joint, confIndex: 11 },
      { conf: joint, confIndex: 12 },
      { log: 4, boundaryIndex: 10, boundaryTerm: 1, boundary: large, lastIndex: 12, last: large },
      { pending: '0000000000000001-\u{1f980}' },
      { pending: null, clearedIndex: 10, clearedOffset: 2800 },
      { conf: { ...joint, voters: Array.from({ length: 5000 }, (_, i) => 2 ** 52 + i) } },
      {},
    ];
    let present = record;
    for (const change of changes) {
      present = { ...present, ...change };
      expect(readBack(writer.seal(present))).toEqual(present);
    }
  });

  test('keeps names of any characters', () => {
    const name = 'a "group" \u00e4\u{1f980}\n';
    expect(readBack(new GroupWriter(record.id).seal({ ...record, name })).name).toBe(name);
  });

  test('is found damaged where one byte is another', () => {
    const bytes = Buffer.from(new GroupWriter(record.id).seal(record));
    for (let i = 0; i < bytes.length; i++) {
      bytes[i] = (bytes[i] ?? 0) ^ 1;
      expect(() => readBack(bytes)).toThrow(expect.objectContaining({ code: 'STORE_CORRUPT' }));
      bytes[i] = (bytes[i] ?? 0) ^ 1;
    }
  });
});
