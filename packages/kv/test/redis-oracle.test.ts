/** A real Redis as the judge: the same commands get the same bytes. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findProgram, skipReason, startRedis, type RealRedis } from './support/redis.ts';
import { RawClient, resp, startTestServer } from './support/server.ts';

const program = findProgram('redis-server', 'valkey-server');
if (program === undefined) skipReason('redis-server');

const keys = ['a', 'b', 'n', '', 'k\r\n\0'];
const key = fc.constantFrom(...keys);
const value = fc.oneof(
  fc.string({ maxLength: 10 }),
  fc.integer({ min: -20, max: 20 }).map(String),
  fc.constantFrom(
    '9223372036854775807',
    '-9223372036854775808',
    '9223372036854775808',
    ' 1',
    '+1',
    '01',
    '-0',
    '1.5',
    '',
  ),
);
const option = fc.constantFrom('NX', 'xx', 'GET', 'get', 'foo', 'IFEQ');
const args: fc.Arbitrary<readonly string[]> = fc.oneof(
  fc.tuple(fc.constantFrom('GET', 'get', 'STRLEN', 'INCR', 'DECR'), key),
  fc.tuple(fc.constant('SET'), key, value),
  fc.tuple(fc.constant('SET'), key, value, option).filter((each) => each[3] !== 'IFEQ'),
  fc.tuple(fc.constant('SET'), key, value, option, option).filter((each) => !each.slice(3).includes('IFEQ')),
  fc.tuple(fc.constantFrom('INCRBY', 'DECRBY', 'APPEND'), key, value),
  fc.tuple(fc.constantFrom('DEL', 'EXISTS', 'MGET'), key, key),
  fc.tuple(fc.constant('MSET'), key, value, key, value),
  fc.constantFrom(
    ['DBSIZE'],
    ['PING'],
    ['SELECT', '0'],
    ['SELECT', 'x'],
    ['SELECT', '-1'],
    ['RESET'],
    ['CLIENT', 'GETNAME'],
  ),
  // Wrong numbers of arguments, and commands that neither knows.
  fc
    .tuple(
      fc.constantFrom(
        'GET',
        'SET',
        'MSET',
        'INCR',
        'DEL',
        'MGET',
        'EXISTS',
        'APPEND',
        'STRLEN',
        'ECHO',
        'DBSIZE',
        'SCAN',
      ),
      value,
    )
    .filter(([name]) => !['DEL', 'MGET', 'EXISTS', 'GET', 'STRLEN', 'ECHO', 'INCR', 'SCAN'].includes(name)),
  fc.constantFrom('GET', 'SET', 'MSET', 'INCR', 'DEL', 'MGET', 'EXISTS', 'ECHO').map((name) => [name]),
  fc
    .array(value, { maxLength: 4 })
    .map((rest) => ['nosuchcommand', ...rest.map((each) => each.replaceAll(/[^\x20-\x7e]/g, '?'))]),
);

describe.skipIf(program === undefined)('beside a real Redis', () => {
  let redis: RealRedis;
  beforeAll(async () => {
    redis = await startRedis(program ?? '');
  });
  afterAll(() => redis.stop());

  test.each([2, 3])('random sequences get the same replies, byte for byte, in RESP%i', async (proto) => {
    const { port } = await startTestServer();
    const clients = [new RawClient(redis.path), new RawClient(port)];
    await fc.assert(
      fc.asyncProperty(fc.array(args, { minLength: 1, maxLength: 30 }), async (sequence) => {
        const [theirs, ours] = await Promise.all(clients.map((client) => converse(client, sequence, proto)));
        expect(ours).toEqual(theirs);
      }),
      { verbose: true, numRuns: 300 },
    );
  });

  test('raw bytes that are no commands, or hardly, get the same replies and the same end', async () => {
    const { port } = await startTestServer();
    const part = fc.constantFrom(
      '*1\r\n$4\r\nPING\r\n',
      'PING\r\n',
      '*0\r\n',
      '\r\n',
      '*-1\r\n',
      '*1\r\n',
      '$3\r\n',
      'ECHO "a b"\r\n',
      "ECHO 'x\r\n",
      '*a\r\n',
      '*2\r\n$4\r\nECHO\r\n$0\r\n\r\n',
      'PING\n',
    );
    await fc.assert(
      fc.asyncProperty(fc.array(part, { minLength: 1, maxLength: 8 }), async (parts) => {
        const seen = await Promise.all(
          [redis.path, port].map(async (place) => {
            const client = new RawClient(place);
            client.socket.end(Buffer.from(`${parts.join('')}\r\nQUIT\r\n`));
            await client.untilClosed();
            return client.text;
          }),
        );
        expect(seen[1]).toBe(seen[0]);
      }),
      { verbose: true, numRuns: 150 },
    );
  });

  test('SCAN finds the same keys', async () => {
    const { port } = await startTestServer();
    const found = await Promise.all(
      [redis.path, port].map(async (place) => {
        const client = new RawClient(place);
        const pairs = Array.from({ length: 200 }, (_, i) => [`user:${String(i)}`, 'x']).flat();
        await client.expectReply(resp('MSET', ...pairs), '+OK\r\n');
        client.received = Buffer.alloc(0);
        client.send(
          Buffer.concat([resp('SCAN', '0', 'MATCH', 'user:[1-3]?', 'COUNT', '10000'), resp('PING')]),
        );
        await client.until((each) => each.text.endsWith('+PONG\r\n'));
        return [...client.text.matchAll(/user:\d+/g)].map((match) => match[0]).sort();
      }),
    );
    expect(found[1]).toEqual(found[0]);
    expect(found[0]).toHaveLength(30);
  });
});

/** The reply to each command of the sequence, on keys that are not there at its beginning. */
async function converse(
  client: RawClient,
  sequence: readonly (readonly string[])[],
  proto: number,
): Promise<string> {
  client.received = Buffer.alloc(0);
  client.send(Buffer.concat([resp('DEL', ...keys), resp('HELLO', String(proto)), resp('ECHO', 'begin')]));
  await client.until((each) => each.text.endsWith('\r\nbegin\r\n'));
  client.received = Buffer.alloc(0);
  client.send(Buffer.concat([...sequence.map((each) => resp(...each)), resp('ECHO', '--end--')]));
  await client.until((each) => each.text.endsWith('\r\n--end--\r\n'));
  return client.text;
}
