/** What an adapter for RocksDB does wrong, as a database that does something else than it is told. */
import { override } from '@balsa/test-suite/zoo';
import {
  indexOf,
  logKey,
  numberOf,
  type KeyRange,
  type Rocks,
  type RocksBatch,
  type RocksIterator,
  type Row,
} from '@balsa/storage-rocksdb/testing';

type Change = (rocks: Rocks) => Rocks;

/** Tags of keys, as keys.ts of the adapter has them. */
const [logTag, stateTag] = [3, 5];
const isLog = (key: Uint8Array): boolean => key[0] === logTag && key.length === 13;

function withBatches(change: (batch: RocksBatch, rocks: Rocks) => Partial<RocksBatch>): Change {
  return (rocks) =>
    override(rocks, {
      batch: () => {
        const batch = rocks.batch();
        return override(batch, change(batch, rocks));
      },
    });
}

function withIterators(
  iterate: (rocks: Rocks, range: KeyRange, sliceBytes: number) => RocksIterator,
): Change {
  return (rocks) => override(rocks, { iterate: (range, sliceBytes) => iterate(rocks, range, sliceBytes) });
}

/** What puts and deletions do by themselves, without a batch. */
function oneByOne(_batch: RocksBatch, rocks: Rocks): Partial<RocksBatch> {
  const alone = (fill: (single: RocksBatch) => void): void => {
    const single = rocks.batch();
    fill(single);
    single.write({ sync: true });
  };
  return {
    put: (key, value) => {
      alone((single) => {
        single.put(key, value);
      });
    },
    delete: (key) => {
      alone((single) => {
        single.delete(key);
      });
    },
    write: () => undefined,
  };
}

/** Syncs when it wrote an entry, and takes a vote for less. */
function votesUnsynced(batch: RocksBatch): Partial<RocksBatch> {
  let entries = false;
  return {
    put: (key, value) => {
      entries ||= isLog(key);
      batch.put(key, value);
    },
    write: ({ sync }) => {
      batch.write({ sync: sync && entries });
      entries = false;
    },
  };
}

/** The deletions of a replaced suffix stop before its last entry. */
function lastSurvives(batch: RocksBatch): Partial<RocksBatch> {
  let held: Buffer | undefined;
  return {
    delete: (key) => {
      if (held !== undefined) batch.delete(held);
      held = undefined;
      if (isLog(key)) held = Buffer.from(key);
      else batch.delete(key);
    },
    write: (options) => {
      held = undefined;
      batch.write(options);
    },
  };
}

/** An index as text: 10 stands before 9. */
function decimal(key: Uint8Array): Uint8Array {
  if (!isLog(key)) return key;
  const whole = Buffer.from(key);
  return Buffer.concat([whole.subarray(0, 5), Buffer.from(String(indexOf(whole)))]);
}

function binary(key: Buffer): Buffer {
  return key[0] === logTag ? logKey(numberOf(key), Number(key.toString('latin1', 5))) : key;
}

const decimalKeys: Change = (rocks) =>
  override(rocks, {
    get: (keys) => rocks.get(keys.map(decimal)),
    batch: () => {
      const batch = rocks.batch();
      return override(batch, {
        put: (key, value) => {
          batch.put(decimal(key), value);
        },
        delete: (key) => {
          batch.delete(decimal(key));
        },
      });
    },
    iterate: ({ gte, lt }, sliceBytes) => {
      const rows = rocks.iterate({ gte: decimal(gte), lt: decimal(lt) }, sliceBytes);
      return override(rows, {
        next: (count) => rows.next(count).map(({ key, value }): Row => ({ key: binary(key), value })),
        seek: (target) => {
          rows.seek(decimal(target));
        },
      });
    },
  });

/** The pairs of a view come from an iterator of their own, made when they are asked for. */
function laterPairs(rocks: Rocks, range: KeyRange, sliceBytes: number): RocksIterator {
  let rows = rocks.iterate(range, sliceBytes);
  if (range.gte[0] !== stateTag) return rows;
  return override(rows, {
    next: (count) => rows.next(count),
    seek: (target) => {
      rows.close();
      rows = rocks.iterate(range, sliceBytes);
      rows.seek(target);
    },
    close: () => {
      rows.close();
    },
  });
}

/** Of the entry before. */
function keyBefore(key: Buffer): Buffer {
  return logKey(numberOf(key), indexOf(key) - 1);
}

export type ChangeName =
  | 'batches without a sync'
  | 'votes without a sync'
  | 'puts instead of a batch'
  | 'range deleted on the wrong side'
  | 'decimal keys'
  | 'last key survives a truncation'
  | 'range one entry too short'
  | 'view taken before its pairs';

const changes: Readonly<Record<ChangeName, Change>> = {
  'batches without a sync': withBatches((batch) => ({
    write: () => {
      batch.write({ sync: false });
    },
  })),
  'votes without a sync': withBatches(votesUnsynced),
  'puts instead of a batch': withBatches(oneByOne),
  'range deleted on the wrong side': (rocks) =>
    override(rocks, {
      deleteRange: ({ gte, lt }) => {
        rocks.deleteRange(isLog(lt) ? { gte: lt, lt: Buffer.from([logTag + 1]) } : { gte, lt });
      },
    }),
  'decimal keys': decimalKeys,
  'last key survives a truncation': withBatches(lastSurvives),
  'range one entry too short': withIterators((rocks, { gte, lt }, sliceBytes) =>
    rocks.iterate({ gte, lt: isLog(lt) ? keyBefore(Buffer.from(lt)) : lt }, sliceBytes),
  ),
  'view taken before its pairs': withIterators(laterPairs),
};

/** The change of that name; none leaves the database as it is. */
export function changeOf(name: ChangeName | undefined): Change {
  return name === undefined ? (rocks) => rocks : changes[name];
}
