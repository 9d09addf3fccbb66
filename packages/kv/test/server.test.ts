import { BalsaError, isBalsaError } from '@balsa/raft-core';
import { createNodeEnv } from '@balsa/raft-node';
import { describe, expect, test } from 'vitest';
import { startKvServer } from '../src/index.ts';
import { RawClient, onEnd, resp, startTestServer } from './support/server.ts';

interface Gate {
  readonly opened: Promise<void>;
  readonly open: () => void;
}
function gate(): Gate {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open: () => open() };
}

describe('a pipeline', () => {
  test('puts consecutive writes into the log together', async () => {
    const { port, log } = await startTestServer();
    const client = new RawClient(port);
    const writes = Array.from({ length: 100 }, () => resp('INCR', 'n'));
    await client.expectReply(
      Buffer.concat(writes),
      Array.from({ length: 100 }, (_, i) => `:${String(i + 1)}\r\n`).join(''),
    );
    expect(log.proposeCalls).toBe(100);
    expect(Math.max(...log.batches)).toBeGreaterThan(10);
  });

  test('shares one read point among consecutive reads', async () => {
    const { port, log } = await startTestServer();
    const client = new RawClient(port);
    await client.expectReply(
      Buffer.concat(Array.from({ length: 30 }, () => resp('GET', 'n'))),
      '$-1\r\n'.repeat(30),
    );
    expect(log.readCalls).toBe(1);
  });

  test('shows a read the writes before it and not those after it', async () => {
    const { port } = await startTestServer();
    const client = new RawClient(port);
    const steps: Buffer[] = [];
    let expected = '';
    for (let i = 0; i < 50; i += 1) {
      steps.push(resp('SET', 'a', String(i)), resp('GET', 'a'), resp('PING'));
      expected += `+OK\r\n$${String(String(i).length)}\r\n${String(i)}\r\n+PONG\r\n`;
    }
    await client.expectReply(Buffer.concat(steps), expected);
  });

  test('does not look at a key before the writes ahead of it are applied', async () => {
    const { port, log } = await startTestServer();
    const wait = gate();
    log.onPropose = async () => {
      await wait.opened;
      return undefined;
    };
    const client = new RawClient(port);
    client.send(Buffer.concat([resp('SET', 'a', '1'), resp('GET', 'a'), resp('MGET', 'a')]));
    const other = new RawClient(port);
    for (let i = 0; i < 10; i += 1) await other.expectReply('PING\r\n', '+PONG\r\n');
    expect([log.proposeCalls, log.readCalls]).toEqual([1, 0]);
    wait.open();
    await client.until((each) => each.text === '+OK\r\n$1\r\n1\r\n*1\r\n$1\r\n1\r\n');
  });

  test('keeps the order of replies when local commands overtake slow ones', async () => {
    const { port, log } = await startTestServer();
    const wait = gate();
    log.onPropose = async () => {
      await wait.opened;
      return undefined;
    };
    const client = new RawClient(port);
    client.send(Buffer.concat([resp('SET', 'a', '1'), resp('HELLO', '3'), resp('GET', 'zz'), resp('PING')]));
    await new Promise((resolve) => setImmediate(resolve));
    expect(client.text).toBe('');
    wait.open();
    await client.until((each) => each.text.endsWith('+PONG\r\n'));
    expect(client.text).toMatch(/^\+OK\r\n%8\r\n\$6\r\nserver[^]*\r\n_\r\n\+PONG\r\n$/);
  });

  test('after QUIT is not carried out, and the connection ends', async () => {
    const { port, log } = await startTestServer();
    const client = new RawClient(port);
    client.send(Buffer.concat([resp('SET', 'a', '1'), resp('QUIT'), resp('SET', 'a', '2')]));
    await client.untilClosed();
    expect(client.text).toBe('+OK\r\n+OK\r\n');
    expect(log.proposeCalls).toBe(1);
  });

  test('of a client that half-closes is answered to its end', async () => {
    const { port } = await startTestServer({ maxInFlight: 4, maxReadsInFlight: 2 });
    const client = new RawClient(port);
    client.socket.end(
      Buffer.concat(Array.from({ length: 200 }, (_, i) => resp(i % 3 === 0 ? 'GET' : 'INCR', 'n'))),
    );
    await client.untilClosed();
    expect(client.text.match(/\r\n/g)?.length).toBeGreaterThanOrEqual(200);
    expect(client.text.endsWith(':133\r\n')).toBe(true);
  });
});

describe('a write whose fate is not known', () => {
  test('says so, with the code, is proposed once, and the connection lives on', async () => {
    const { port, log, machine } = await startTestServer();
    log.onPropose = () => new BalsaError('UNKNOWN_OUTCOME', 'the leader changed');
    const client = new RawClient(port);
    await client.expectReply(
      resp('INCR', 'n'),
      '-UNKNOWN the outcome of this write is not known: the leader changed [UNKNOWN_OUTCOME]\r\n',
    );
    expect(log.proposeCalls).toBe(1);
    log.onPropose = undefined;
    await client.expectReply(resp('INCR', 'n'), ':1\r\n');
    expect(await machine.store.count()).toBe(1);
  });

  test.each([
    [new BalsaError('NOT_LEADER', 'no leader is known'), '-TRYAGAIN no leader is known [NOT_LEADER]\r\n'],
    [new BalsaError('OVERLOADED', 'queue full'), '-BUSY queue full [OVERLOADED]\r\n'],
    [new BalsaError('STORE_ENTRY_TOO_LARGE', 'too large'), '-ERR too large [STORE_ENTRY_TOO_LARGE]\r\n'],
    [
      new BalsaError('ABORTED', 'given up'),
      '-UNKNOWN the outcome of this write is not known: given up [ABORTED]\r\n',
    ],
  ])('is told apart from one that was refused: %s', async (problem, reply) => {
    const { port, log } = await startTestServer();
    log.onPropose = () => problem;
    await new RawClient(port).expectReply(resp('SET', 'a', '1'), reply);
  });

  test('has no like among reads: a failed read changed nothing', async () => {
    const { port, log } = await startTestServer();
    log.onRead = () => Promise.reject(new BalsaError('ABORTED', 'given up'));
    await new RawClient(port).expectReply(resp('GET', 'a'), '-TRYAGAIN given up [ABORTED]\r\n');
  });
});

describe('a hostile or unlucky client', () => {
  test('with an oversized value gets an error and goes on', async () => {
    const { port } = await startTestServer({ maxBulkBytes: 1000 });
    const client = new RawClient(port);
    await client.expectReply(
      Buffer.concat([resp('SET', 'a', 'x'.repeat(100_000)), resp('SET', 'a', '1'), resp('GET', 'a')]),
      '-ERR string exceeds maximum allowed size (100000 bytes given, 1000 allowed)\r\n+OK\r\n$1\r\n1\r\n',
    );
  });

  test('with an oversized key gets an error and goes on', async () => {
    const { port } = await startTestServer();
    const client = new RawClient(port);
    await client.expectReply(
      Buffer.concat([resp('SET', 'k'.repeat(65_532), '1'), resp('SET', 'k'.repeat(65_531), '1')]),
      '-ERR key exceeds maximum allowed size (65532 bytes given, 65531 allowed)\r\n+OK\r\n',
    );
  });

  test('with a broken protocol is told and hung up on', async () => {
    const { port } = await startTestServer();
    const client = new RawClient(port);
    client.send('PING\r\n*1\r\n:1\r\nPING\r\n');
    await client.untilClosed();
    expect(client.text).toBe("+PONG\r\n-ERR Protocol error: expected '$', got ':'\r\n");
  });

  test('that is a browser is hung up on', async () => {
    const { port, log } = await startTestServer();
    const client = new RawClient(port);
    client.send('POST / HTTP/1.1\r\nHost: x\r\n\r\nSET a 1\r\n');
    await client.untilClosed();
    expect(log.proposeCalls).toBe(0);
  });

  test('beyond the last place is told so', async () => {
    const { port } = await startTestServer({ maxClients: 1 });
    const first = new RawClient(port);
    await first.expectReply('PING\r\n', '+PONG\r\n');
    const second = new RawClient(port);
    await second.untilClosed();
    expect(second.text).toBe('-ERR max number of clients reached\r\n');
    await first.expectReply('PING\r\n', '+PONG\r\n');
  });

  test('that never reads is no longer served once its output is full, and is served on when it reads', async () => {
    const { port, log } = await startTestServer({ maxOutputBytes: 100_000, maxReadsInFlight: 4 });
    const writer = new RawClient(port);
    await writer.expectReply(resp('SET', 'big', 'x'.repeat(1_000_000)), '+OK\r\n');
    const client = new RawClient(port);
    client.socket.pause();
    const count = 100;
    client.send(Buffer.concat(Array.from({ length: count }, () => resp('GET', 'big'))));
    // Settled: a while of other traffic starts no further read.
    let seen = -1;
    while (log.readCalls !== seen || seen === 0) {
      seen = log.readCalls;
      for (let i = 0; i < 100; i += 1) await writer.expectReply('PING\r\n', '+PONG\r\n');
    }
    expect(seen).toBeLessThan(count / 4);
    client.socket.resume();
    const whole = count * (1_000_000 + '$1000000\r\n\r\n'.length);
    let bytes = 0;
    client.socket.removeAllListeners('data');
    await new Promise<void>((resolve) => {
      client.socket.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes === whole) resolve();
      });
    });
    expect(log.readCalls).toBeGreaterThan(seen);
  });
});

describe('the server', () => {
  test('does not start a further write while the log is full of them, and loses none', async () => {
    const { port, log } = await startTestServer({ maxWritesInFlight: 2 });
    const wait = gate();
    let most = 0;
    let now = 0;
    log.onPropose = async () => {
      now += 1;
      most = Math.max(most, now);
      await wait.opened;
      now -= 1;
      return undefined;
    };
    const clients = Array.from({ length: 5 }, () => new RawClient(port));
    for (const client of clients)
      client.send(Buffer.concat(Array.from({ length: 10 }, () => resp('INCR', 'n'))));
    wait.open();
    for (const client of clients) await client.until((each) => each.text.split('\r\n').length === 11);
    expect(most).toBe(2);
    await clients[0]?.expectReply(resp('GET', 'n'), '$2\r\n50\r\n');
  });

  test('stops gracefully: what is under way is answered, nothing new is taken, and the port is free', async () => {
    const { port, log, server } = await startTestServer({ drainMs: 5000 });
    const wait = gate();
    log.onPropose = async () => {
      await wait.opened;
      return undefined;
    };
    const [busy, idle] = [new RawClient(port), new RawClient(port)];
    await idle.expectReply('PING\r\n', '+PONG\r\n');
    busy.send(resp('SET', 'a', '1'));
    while (log.proposeCalls === 0) await new Promise((resolve) => setImmediate(resolve));
    const stopping = server.stop();
    await idle.untilClosed();
    wait.open();
    await busy.untilClosed();
    expect(busy.text).toBe('+OK\r\n');
    await stopping;
    expect(server.stop()).toBe(server.stop());
    await startAgainOn(port);
  });

  test('cuts off, after the time to drain, who does not get an answer', async () => {
    const { port, log, server } = await startTestServer({ drainMs: 20 });
    log.onPropose = () => new Promise(() => undefined);
    const client = new RawClient(port);
    client.send(resp('SET', 'a', '1'));
    while (log.proposeCalls === 0) await new Promise((resolve) => setImmediate(resolve));
    await server.stop();
    await client.untilClosed();
    expect(client.text).toBe('');
  });

  test.each(['resp', 'http'] as const)(
    'names the %s port that is taken, and then listens nowhere',
    async (which) => {
      const first = await startTestServer();
      const taken = which === 'resp' ? first.port : (first.server.httpAddress?.port ?? 0);
      const options = {
        node: first.log,
        stateMachine: first.machine,
        env: createNodeEnv(),
        resp: { port: which === 'resp' ? taken : 0 },
        http: { port: which === 'http' ? taken : 0 },
      };
      const problem: unknown = await startKvServer(options).catch((caught: unknown) => caught);
      expect(isBalsaError(problem, 'ADDRESS_IN_USE') && problem.message).toContain(String(taken));
    },
  );

  test.each([{ maxBulkBytes: 5_000_000 }, { maxClients: 0 }])(
    'refuses limits that cannot work: %j',
    async (limits) => {
      await expect(startTestServer(limits)).rejects.toThrow(/limits\./);
    },
  );
});

async function startAgainOn(port: number): Promise<void> {
  const { machine, log } = await startTestServer();
  const again = await startKvServer({
    node: log,
    stateMachine: machine,
    env: createNodeEnv(),
    resp: { port },
  });
  onEnd(() => again.stop());
  expect(again.respAddress.port).toBe(port);
}
