/** Damage that the server itself does not notice: it has no checksums. */
import { expect, test } from 'vitest';
import {
  codeOf,
  entries,
  entry,
  key,
  openEngine,
  openGroup,
  rawClient,
  startServer,
  type Place,
} from './support/index.ts';

/** Turns one byte of the first key of that pattern, so many bytes from its end. */
async function damage(place: Place, pattern: string, fromEnd: number): Promise<void> {
  const client = await rawClient(place.server);
  const name = (await client.keys(pattern)).sort().at(-1) ?? '';
  const length = await client.strlen(name);
  const byte = await client.getrangeBuffer(name, length - fromEnd, length - fromEnd);
  await client.setrange(name, length - fromEnd, Buffer.from([(byte[0] ?? 0) ^ 1]));
}

test('a last write that a power cut tore, and of which nobody was told, is left out for good', async () => {
  const place = await startServer();
  const before = await openGroup(await openEngine(place));
  await before.write({ entries: entries(1, 3), hardState: { term: 1, vote: 1, commit: 2 } });
  await before.write({ entries: entries(4, 2) });
  await damage(place, '*:log:*', 3);
  for (let life = 0; life < 2; life++) {
    const engine = await openEngine(place);
    const group = engine.group('g');
    const { lastIndex, hardState } = await group.open();
    expect({ lastIndex, hardState }).toEqual({
      lastIndex: 3 + life,
      hardState: { term: 1, vote: 1, commit: 2 },
    });
    await group.write({ entries: [entry(4 + life, 1, 'new')] });
    expect((await group.entries(1, 5 + life, 1e6)).length).toBe(4 + life);
    await engine.close();
  }
});

test('also when it is the first of a segment, or of all', async () => {
  const place = await startServer();
  const small = { segmentBytes: 4096 };
  const first = await openGroup(await openEngine(place, small));
  await first.write({ entries: entries(1, 1) });
  await damage(place, '*:log:1', 3);
  const second = await openGroup(await openEngine(place, small));
  await second.write({ entries: [entry(1, 1, 'x'.repeat(5000))] });
  await second.write({ entries: entries(2, 1) });
  expect((await (await rawClient(place.server)).keys('*:log:*')).length).toBe(2);
  await damage(place, '*:log:2', 3);
  const third = await openEngine(place, small);
  expect((await third.group('g').open()).lastIndex).toBe(1);
  expect((await (await rawClient(place.server)).keys('*:log:*')).length).toBe(1);
});

test('a vote that is damaged is never left out', async () => {
  const place = await startServer();
  const group = await openGroup(await openEngine(place));
  await group.write({ hardState: { term: 1, vote: 1, commit: 0 } });
  await group.write({ hardState: { term: 2, vote: 3, commit: 0 } });
  await damage(place, '*:log:*', 3);
  const engine = await openEngine(place);
  expect(await codeOf(engine.group('g').open())).toBe('STORE_CORRUPT');
});

test('a write before the last one, and one that was acknowledged as far as the watermark knows, are damage', async () => {
  const place = await startServer();
  const engine = await openEngine(place);
  const group = await openGroup(engine);
  await group.write({ entries: entries(1, 3) });
  await group.write({ entries: entries(4, 2) });
  await engine.close();
  await damage(place, '*:log:*', 3);
  expect(await codeOf((await openEngine(place)).group('g').open())).toBe('STORE_CORRUPT');
});

test('an entry that changed since it was read back is never given', async () => {
  const place = await startServer();
  const group = await openGroup(await openEngine(place));
  await group.write({ entries: entries(1, 3) });
  await damage(place, '*:log:*', 1);
  await expect(group.entries(1, 4, 1e6)).rejects.toThrow(/entry 3 of group "g" does not match/);
  expect((await group.entries(1, 3, 1e6)).length).toBe(2);
});

test('a pair that came back from an older time, or is missing, is noticed when the store is opened', async () => {
  for (const harm of ['old', 'lost'] as const) {
    const place = await startServer();
    const engine = await openEngine(place);
    const store = engine.orderedStore('kv');
    await store.open();
    await store.write({ changes: [[key('a'), key('1')]], appliedIndex: 1 });
    const client = await rawClient(place.server);
    const [values = ''] = await client.keys('*:values');
    const old = await client.hgetBuffer(values, 'a');
    await store.write({ changes: [[key('a'), key('2')]], appliedIndex: 2 });
    await engine.close();
    if (harm === 'old') await client.hset(values, 'a', old ?? '');
    else await client.zrem((await client.keys('*:order'))[0] ?? '', 'a');
    expect(await codeOf((await openEngine(place)).orderedStore('kv').open())).toBe('STORE_CORRUPT');
  }
});
