/** The client that drives the rival, against Node's own HTTP/2: what it leaves out, etcd must not miss. */
import { once } from 'node:events';
import { createServer, type Http2Server, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { EtcdClient } from '../src/cluster/etcd-client.ts';
import { etcdVersion } from '../src/cluster/etcd-cluster.ts';
import { valueBytes } from '../src/cluster/load.ts';
import { PayloadPool } from '../src/measure/payload-pool.ts';
import { metricOf, ratioOf } from '../src/measure/rows.ts';
import { bareReplication, barsOf } from '../src/report/bars.ts';
import type { Row } from '../src/report/report.ts';

interface Request {
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: Buffer;
}

let server: Http2Server;
let requests: Request[];
let answer: (stream: ServerHttp2Stream) => void;

const accepted = (stream: ServerHttp2Stream): void => {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.end(Buffer.of(0, 0, 0, 0, 0));
};
const refused = (stream: ServerHttp2Stream): void => {
  stream.respond(
    { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '14' },
    { endStream: true },
  );
};

beforeEach(async () => {
  requests = [];
  answer = accepted;
  server = createServer();
  server.on('stream', (stream, headers) => {
    const parts: Buffer[] = [];
    stream.on('data', (part: Buffer) => parts.push(part));
    stream.on('end', () => {
      requests.push({ headers, body: Buffer.concat(parts) });
      answer(stream);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(() => server.close());

async function open(): Promise<EtcdClient> {
  const { port } = server.address() as AddressInfo;
  return EtcdClient.open({ host: '127.0.0.1', port }, new PayloadPool('random'), () => 0.5);
}

describe("the client of etcd's", () => {
  test('puts what the other client sets, and takes the trailers behind a result for its acceptance', async () => {
    const client = await open();
    for (let n = 0; n < 300; n++) expect(await client.set()).toBe(true);
    client.close();
    expect(requests).toHaveLength(300);
    const { headers, body } = requests[299] ?? { headers: {}, body: Buffer.alloc(0) };
    expect(headers).toMatchObject({
      ...{ ':method': 'POST', ':path': '/etcdserverpb.KV/Put', ':scheme': 'http' },
      ...{ 'content-type': 'application/grpc', te: 'trailers' },
    });
    expect(body.readUInt8(0)).toBe(0);
    expect(body.readUInt32BE(1)).toBe(body.length - 5);
    // Field 1, eleven bytes; field 2, 256 bytes.
    expect(body.subarray(5, 18).toString('latin1')).toBe('\x0a\x0bkey00005000');
    expect([...body.subarray(18, 21)]).toEqual([0x12, 0x80, 0x02]);
    expect(body.length).toBe(21 + valueBytes);
    expect(new Set(requests.map((request) => request.body.toString('hex'))).size).toBe(300);
  });

  test('takes an answer without a result for a refusal, and goes on', async () => {
    const client = await open();
    answer = refused;
    expect(await client.set()).toBe(false);
    answer = accepted;
    expect(await client.set()).toBe(true);
    client.close();
  });

  test('fails when its connection goes', async () => {
    const client = await open();
    answer = (stream) => stream.session?.destroy();
    await expect(client.set()).rejects.toThrow();
    expect(client.usable).toBe(false);
    await expect(client.set()).rejects.toThrow();
  });
});

test('a program that is not etcd is told before anything is measured', () => {
  expect(() => etcdVersion(process.execPath)).toThrow(/--etcd .*does not say its version/);
  expect(() => etcdVersion('/nowhere/etcd')).toThrow(/ENOENT/);
});

describe('the bar of the cluster at 256 clients', () => {
  const row = (etcd: number | undefined): Row => {
    const ratio = etcd === undefined ? undefined : ratioOf([etcd]);
    return {
      ...{ label: 'sqlite', kind: 'adapter', durability: 'durable' },
      metrics: { throughput: metricOf('SET/s', 'higher', [13_000]) },
      ratios: ratio === undefined ? {} : { 'etcd throughput': ratio },
    };
  };
  const barOf = (etcd: number | undefined): unknown => {
    const title = '256 clients, SET of 256 B, three processes';
    return barsOf({ cells: [{ workload: 'cluster', title, parameters: {}, rows: [row(etcd)] }] });
  };

  test('is twice what etcd did in the same run', () => {
    expect(barOf(1.5)).toMatchObject([{ required: 2, measured: 1.5, met: false }]);
    expect(barOf(2.5)).toMatchObject([{ required: 2, measured: 2.5, met: true }]);
  });

  test('is a number of another machine where etcd did not run', () => {
    expect(barOf(undefined)).toMatchObject([{ required: 12_000, measured: 13_000, met: true }]);
  });
});

test('the bar of one client says what bare replication reached', () => {
  const row = (kind: Row['kind'], label: string, speed: number): Row => {
    const ratio = ratioOf([speed]);
    return {
      ...{ label, kind, durability: 'durable', metrics: {} },
      ratios: ratio === undefined ? {} : { 'round trips p50': ratio },
    };
  };
  const rows = [row('bare', bareReplication, 0.6), row('adapter', 'sqlite', 0.4)];
  const title = '1 client, SET of 256 B, three processes';
  expect(barsOf({ cells: [{ workload: 'cluster', title, parameters: {}, rows }] })).toMatchObject([
    { required: 0.5, measured: 0.4, met: false, bare: 0.6 },
  ]);
  expect(
    barsOf({ cells: [{ workload: 'cluster', title, parameters: {}, rows: rows.slice(1) }] }),
  ).toMatchObject([{ measured: 0.4, bare: null }]);
});
