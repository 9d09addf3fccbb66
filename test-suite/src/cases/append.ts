/** Appending, replacing suffixes, and what entries carry. */
import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { Entry, EntryType, isBalsaError } from '@balsa/raft-core';
import type { ConformanceCase } from '../case.ts';
import { refuses, sameEntries, sameGroup, sameLog } from '../check.ts';
import { bytes, conf, confEntry, entry, hard, meta, pattern, receive, run } from '../make.ts';

/** A case that starts with entries 1 to 5 of term 2, tries something, and says what log is left. */
function fromFive(
  id: string,
  title: string,
  write: readonly Entry[],
  left: readonly Entry[],
): ConformanceCase {
  return {
    id,
    title,
    level: 'core',
    run: async (context) => {
      const { storage } = await context.group();
      await storage.write({ entries: run(1, 5, 2) });
      // What was read before must not be what is read afterwards.
      await sameLog(storage, run(1, 5, 2));
      await storage.write({ entries: write });
      await sameLog(storage, left);
      await sameGroup(await context.regroup(), { entries: left });
    },
  };
}

function refusedFromFive(
  id: string,
  title: string,
  write: readonly Entry[],
  code: 'STORE_GAP' | 'STORE_TERM_REGRESSION',
): ConformanceCase {
  return {
    id,
    title,
    level: 'core',
    run: async (context) => {
      const { storage } = await context.group();
      await storage.write({ entries: run(1, 5, 2) });
      await refuses(() => storage.write({ entries: write }), code);
      await sameLog(storage, run(1, 5, 2));
      await storage.write({ entries: run(6, 6, 2) });
      await sameGroup(await context.regroup(), { entries: run(1, 6, 2) });
    },
  };
}

/** Which number is wrong has no code of its own: any refusal will do. */
async function refusesNumber(act: () => Promise<unknown>, what: string): Promise<void> {
  try {
    await act();
  } catch (error) {
    assert.ok(
      isBalsaError(error) && error.outcome === 'refused',
      `${what}: not refused, but: ${inspect(error)}`,
    );
    return;
  }
  assert.fail(`${what}: expected a refusal (OUT_OF_RANGE), but the call succeeded`);
}

export const appendCases: readonly ConformanceCase[] = [
  fromFive('append/extends', 'entries after the last one extend the log', run(6, 9, 2), run(1, 9, 2)),
  fromFive('append/empty-is-a-no-op', 'an empty list of entries changes nothing', [], run(1, 5, 2)),
  fromFive(
    'append/overwrites-conflicting-suffix',
    'entries from the middle on replace everything behind them',
    run(3, 6, 3),
    [...run(1, 2, 2), ...run(3, 6, 3)],
  ),
  fromFive(
    'append/shorter-suffix-leaves-no-ghost',
    'a shorter suffix that replaces a longer one leaves nothing of it',
    run(2, 2, 3),
    [...run(1, 1, 2), ...run(2, 2, 3)],
  ),
  fromFive(
    'append/replaces-everything',
    'entries from index 1 on replace the whole log',
    run(1, 2, 3),
    run(1, 2, 3),
  ),
  fromFive(
    'append/identical-rewrite',
    'rewriting entries as they are is idempotent, and still ends the log at the last one written',
    run(2, 4, 2),
    run(1, 4, 2),
  ),
  refusedFromFive(
    'append/gap-after-last',
    'a gap after the last entry is refused',
    run(7, 8, 2),
    'STORE_GAP',
  ),
  refusedFromFive(
    'append/gap-inside-batch',
    'a gap between two entries of one batch is refused',
    [entry(6, 2), entry(8, 2)],
    'STORE_GAP',
  ),
  refusedFromFive(
    'append/repeated-index-inside-batch',
    'the same index twice in one batch is refused',
    [entry(6, 2), entry(6, 2)],
    'STORE_GAP',
  ),
  refusedFromFive(
    'append/falling-term-inside-batch',
    'a term that falls within one batch is refused',
    [entry(6, 3), entry(7, 2)],
    'STORE_TERM_REGRESSION',
  ),
  refusedFromFive(
    'append/falling-term-after-last',
    'a term below that of the entry before is refused',
    run(6, 7, 1),
    'STORE_TERM_REGRESSION',
  ),
  {
    id: 'append/gap-in-empty-log',
    title: 'the first entry of an empty log has index 1',
    level: 'core',
    run: async (context) => {
      const { storage } = await context.group();
      await refuses(() => storage.write({ entries: run(2, 3, 1) }), 'STORE_GAP');
      await sameLog(storage, []);
      await storage.write({ entries: run(1, 1, 1) });
      await sameLog(storage, run(1, 1, 1));
    },
  },
  {
    id: 'append/lower-term-than-replaced',
    title:
      'entries may have a lower term than those that they replace, as long as it is not below the one before',
    level: 'durable',
    run: async (context) => {
      const { storage } = await context.group();
      await storage.write({ entries: [entry(1, 1), ...run(2, 4, 6)] });
      await refuses(() => storage.write({ entries: run(3, 3, 5) }), 'STORE_TERM_REGRESSION');
      await storage.write({ entries: run(2, 3, 4) });
      await sameGroup(await context.reopen(), { entries: [entry(1, 1), ...run(2, 3, 4)] });
    },
  },
  {
    id: 'append/unsafe-numbers',
    title: 'a batch with a number that is no safe integer is refused and changes nothing',
    level: 'core',
    run: async (context) => {
      const { storage } = await context.group();
      const before = { entries: run(1, 5, 2), hardState: hard(2, 3, 1) };
      await storage.write(before);
      const unsafe = [Number.NaN, 6.5, 2 ** 53, -1, Infinity];
      for (const number of unsafe) {
        await refusesNumber(
          () => storage.write({ entries: [entry(6, number)] }),
          `entry term ${String(number)}`,
        );
        await refusesNumber(
          () => storage.write({ entries: [entry(number, 2)] }),
          `entry index ${String(number)}`,
        );
        for (const field of ['term', 'vote', 'commit'] as const) {
          const hardState = { ...hard(2, 3, 1), [field]: number };
          await refusesNumber(() => storage.write({ hardState }), `${field} ${String(number)}`);
        }
        const confState = { index: number, state: conf(1) };
        await refusesNumber(() => storage.write({ confState }), `index of a conf state ${String(number)}`);
      }
      for (const number of [Number.NaN, 2.5, 2 ** 53])
        await refusesNumber(() => storage.compactTo(number), `compacting to ${String(number)}`);
      await storage.write({ entries: run(6, 6, 2) });
      await sameGroup(await context.regroup(), { ...before, entries: run(1, 6, 2) });
    },
  },
  {
    id: 'append/below-compacted',
    title: 'entries that begin at or below the boundary are refused and change nothing',
    level: 'core',
    run: async (context) => {
      const { storage } = await context.group();
      await storage.write({ entries: run(1, 6, 1), hardState: hard(1, 4) });
      await storage.compactTo(3);
      await refuses(() => storage.write({ entries: run(3, 7, 1) }), 'STORE_BELOW_FIRST');
      await refuses(() => storage.write({ entries: run(1, 1, 1) }), 'STORE_BELOW_FIRST');
      await sameLog(storage, run(4, 6, 1), 3);
      await storage.write({ entries: run(4, 5, 1) });
      await sameLog(storage, run(4, 5, 1), 3);
    },
  },
  {
    id: 'append/first-entry-behind-boundary-keeps-its-term-rule',
    title: 'after compacting everything, the next entry may not have a term below the boundary term',
    level: 'durable',
    run: async (context) => {
      const { storage } = await context.group();
      await storage.write({ entries: run(1, 3, 5), hardState: hard(5, 3) });
      await storage.compactTo(3);
      await refuses(() => storage.write({ entries: run(4, 4, 4) }), 'STORE_TERM_REGRESSION');
      const again = await context.reopen();
      await refuses(() => again.storage.write({ entries: run(4, 4, 4) }), 'STORE_TERM_REGRESSION');
      await again.storage.write({ entries: run(4, 4, 5) });
      await sameLog(again.storage, run(4, 4, 5), 3);
    },
  },
  {
    id: 'append/every-byte-value',
    title: 'payloads of any bytes come back as they were, empty ones too',
    level: 'durable',
    run: async (context) => {
      const all = Uint8Array.from({ length: 256 }, (_, i) => i);
      const payloads = [
        all,
        new Uint8Array(0),
        Uint8Array.of(0),
        Uint8Array.of(0xff, 0xfe, 0xc0),
        bytes('\r\n\0\r\n'),
      ];
      const entries = payloads.map(
        (data, i) => new Entry(1, i + 1, EntryType.Normal, data, payloads.at(-1 - i)),
      );
      const { storage } = await context.group();
      await storage.write({ entries });
      await sameLog(storage, entries);
      await sameGroup(await context.reopen(), { entries });
    },
  },
  {
    id: 'append/types-and-context',
    title: 'every entry type and its context come back, with the places of membership changes',
    level: 'durable',
    run: async (context) => {
      const entries = [
        new Entry(1, 1, EntryType.ConfChange, bytes('a'), bytes('context')),
        new Entry(1, 2, EntryType.Normal, bytes('b'), bytes('c')),
        new Entry(2, 3, EntryType.ConfChangeV2),
        new Entry(2, 4, EntryType.Normal, bytes(''), bytes('only context')),
      ];
      const { storage } = await context.group();
      await storage.write({ entries });
      await sameLog(storage, entries);
      await sameGroup(await context.reopen(), { entries });
    },
  },
  {
    id: 'append/truncation-forgets-conf-changes',
    title: 'a membership change that was truncated away is not in the outline any more',
    level: 'durable',
    run: async (context) => {
      const { storage } = await context.group();
      await storage.write({ entries: [entry(1, 1), confEntry(2, 1), confEntry(3, 1)] });
      await storage.write({ entries: run(3, 4, 2) });
      const entries = [entry(1, 1), confEntry(2, 1), ...run(3, 4, 2)];
      await sameGroup(await context.reopen(), { entries });
    },
  },
  {
    id: 'append/buffers-stay-the-callers',
    title:
      'a payload that is a view of a larger buffer is stored alone, and reusing it after the write does no harm',
    level: 'core',
    run: async (context) => {
      const { storage } = await context.group();
      const buffer = pattern(300);
      const data = buffer.subarray(100, 140);
      const kept = new Entry(1, 1, EntryType.Normal, data.slice(), buffer.slice(0, 5));
      await storage.write({ entries: [new Entry(1, 1, EntryType.Normal, data, buffer.subarray(0, 5))] });
      buffer.fill(0);
      sameEntries(await storage.entries(1, 2, 0), [kept]);
      sameEntries(await (await context.regroup()).storage.entries(1, 2, 0), [kept]);
    },
  },
  {
    id: 'append/decimal-lengths',
    title: 'indexes of different decimal lengths keep their order (9 and 10, 99 and 100)',
    level: 'durable',
    run: async (context) => {
      const { storage } = await context.group();
      await storage.write({ entries: run(1, 120, 1) });
      sameEntries(await storage.entries(8, 12, 1e6), run(8, 11, 1));
      sameEntries(await storage.entries(98, 102, 1e6), run(98, 101, 1));
      await storage.write({ entries: run(100, 101, 2) });
      await storage.write({ entries: run(10, 11, 2) });
      await sameGroup(await context.reopen(), { entries: [...run(1, 9, 1), ...run(10, 11, 2)] });
    },
  },
  ...[2 ** 31 - 2, 2 ** 32 - 2, 2 ** 40, Number.MAX_SAFE_INTEGER - 8].map((base): ConformanceCase => ({
    id: `append/around-index-${String(base)}`,
    title: 'large indexes and terms keep their value and their order',
    level: 'durable',
    run: async (context) => {
      const { storage } = await context.group();
      const installed = await receive(storage, meta(base, base));
      await storage.write({ install: installed.id });
      const entries = [...run(base + 1, base + 3, base), ...run(base + 4, base + 6, base + 1)];
      await storage.write({ entries, hardState: hard(base + 2, base + 5, base) });
      await storage.compactTo(base + 2);
      sameEntries(await storage.entries(base + 4, base + 6, 1e6), entries.slice(3, 5));
      await sameGroup(await context.reopen(), {
        boundary: { index: base + 2, term: base },
        entries: entries.slice(2),
        hardState: hard(base + 2, base + 5, base),
        confState: { index: base, state: meta(base, base).confState },
        pendingRestore: installed.id,
      });
    },
  })),
];
