import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { globMatches } from '../src/commands/glob.ts';
import { bucketStart, storeKey, userKey } from '../src/machine/store-key.ts';
import { RawClient, resp, startTestServer } from './support/server.ts';

interface Page {
  readonly cursor: string;
  readonly keys: readonly string[];
}

/** One SCAN reply. Keys must have no line breaks. */
async function scanPage(client: RawClient, cursor: string, ...options: readonly string[]): Promise<Page> {
  client.received = Buffer.alloc(0);
  client.send(Buffer.concat([resp('SCAN', cursor, ...options), resp('PING')]));
  await client.until((each) => each.text.endsWith('+PONG\r\n'));
  const lines = client.text.split('\r\n');
  return { cursor: lines[2] ?? '', keys: lines.slice(4, -2).filter((_, i) => i % 2 === 1) };
}

async function scanAll(
  client: RawClient,
  beside: () => Promise<void>,
  ...options: readonly string[]
): Promise<string[]> {
  const found: string[] = [];
  let cursor = '0';
  do {
    const page = await scanPage(client, cursor, ...options);
    found.push(...page.keys);
    cursor = page.cursor;
    await beside();
  } while (cursor !== '0');
  return found;
}

const nothing = (): Promise<void> => Promise.resolve();

describe('SCAN', () => {
  test('gives every key that stays exactly once, whatever is written and removed beside it', async () => {
    const { port } = await startTestServer();
    const [client, writer] = [new RawClient(port), new RawClient(port)];
    const stay = Array.from({ length: 300 }, (_, i) => `stay:${String(i)}`);
    await writer.expectReply(resp('MSET', ...stay.flatMap((key) => [key, 'x'])), '+OK\r\n');
    let n = 0;
    const beside = async (): Promise<void> => {
      const names = Array.from({ length: 20 }, () => `go:${String(n++)}`);
      await writer.expectReply(resp('MSET', ...names.flatMap((key) => [key, 'y'])), '+OK\r\n');
      await writer.expectReply(resp('DEL', ...names.slice(5)), ':15\r\n');
    };
    const found = await scanAll(client, beside, 'COUNT', '7');
    expect(found.filter((key) => key.startsWith('stay:')).sort()).toEqual([...stay].sort());
    expect(new Set(found).size).toBe(found.length);
  });

  test('cursors mean the same on another node with the same state', async () => {
    const [one, two] = [await startTestServer(), await startTestServer()];
    const clients = [new RawClient(one.port), new RawClient(two.port)];
    const names = Array.from({ length: 100 }, (_, i) => `k${String(i)}`);
    for (const client of clients)
      await client.expectReply(resp('MSET', ...names.flatMap((k) => [k, ''])), '+OK\r\n');
    const found: string[] = [];
    let cursor = '0';
    let turn = 0;
    do {
      const client = clients[turn++ % 2];
      if (client === undefined) break;
      const page = await scanPage(client, cursor);
      found.push(...page.keys);
      cursor = page.cursor;
    } while (cursor !== '0');
    expect(found.sort()).toEqual([...names].sort());
    expect(turn).toBeGreaterThan(5);
  });

  test('gives keys of one bucket together, even past COUNT', async () => {
    const { port } = await startTestServer();
    const client = new RawClient(port);
    const names = collidingKeys();
    await client.expectReply(resp('MSET', ...names.flatMap((k) => [k, 'x'])), '+OK\r\n');
    const first = await scanPage(client, '0', 'COUNT', '1');
    expect([...first.keys].sort()).toEqual([...names].sort());
  });

  test('with MATCH filters and still comes to an end', async () => {
    const { port } = await startTestServer();
    const client = new RawClient(port);
    await client.expectReply(resp('MSET', 'user:1', '', 'user:2', '', 'other', ''), '+OK\r\n');
    expect((await scanAll(client, nothing, 'MATCH', 'user:*', 'COUNT', '1')).sort()).toEqual([
      'user:1',
      'user:2',
    ]);
  });
});

/** Two keys with the same CRC-32, found by trying. */
function collidingKeys(): string[] {
  const seen = new Map<string, string>();
  for (let i = 0; ; i += 1) {
    const key = `c${String(i)}`;
    const bucket = Buffer.from(storeKey(Buffer.from(key))).toString('hex', 1, 5);
    const other = seen.get(bucket);
    if (other !== undefined) return [other, key];
    // The hash of texts this short is linear, so collisions come late: mix lengths.
    seen.set(bucket, key);
    const longer = `${key}-${'x'.repeat(i % 13)}${String(i * 7919)}`;
    const bucket2 = Buffer.from(storeKey(Buffer.from(longer))).toString('hex', 1, 5);
    const other2 = seen.get(bucket2);
    if (other2 !== undefined && other2 !== longer) return [other2, longer];
    seen.set(bucket2, longer);
  }
}

describe('the place of a key in the store', () => {
  test('gives the key back and lies in its bucket', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (key) => {
        const stored = storeKey(key);
        expect([...userKey(stored)]).toEqual([...key]);
        expect(Buffer.compare(stored, bucketStart(0))).toBeGreaterThanOrEqual(0);
        expect(Buffer.compare(stored, bucketStart(2 ** 32))).toBeLessThan(0);
      }),
      { verbose: true },
    );
  });

  test('is pinned: it is a format on disk', () => {
    expect(Buffer.from(storeKey(Buffer.from('123456789'))).toString('hex')).toBe(
      '01cbf43926313233343536373839',
    );
  });
});

describe('MATCH', () => {
  test.each([
    ['*', '', true],
    ['*', 'abc', true],
    ['a*c', 'abbc', true],
    ['a*c', 'abbd', false],
    ['a?c', 'abc', true],
    ['a?c', 'ac', false],
    ['[a-c]x', 'bx', true],
    ['[c-a]x', 'bx', true],
    ['[^a-c]x', 'bx', false],
    ['[^a-c]x', 'dx', true],
    ['[abc]', 'd', false],
    ['\\*', '*', true],
    ['\\*', 'a', false],
    ['[\\]]', ']', true],
    ['a**b*c', 'axxbxxc', true],
    ['', '', true],
    ['', 'a', false],
    ['abc', 'ab', false],
    ['ab[', 'ab[', false],
  ])('%j of %j is %j', (pattern, text, expected) => {
    expect(globMatches(Buffer.from(pattern), Buffer.from(text))).toBe(expected);
  });

  test('does not explode on a pattern of many stars', () => {
    const text = Buffer.from('a'.repeat(20_000));
    expect(globMatches(Buffer.from(`${'*a'.repeat(20)}*b`), text)).toBe(false);
  });
});
