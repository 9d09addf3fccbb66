/**
 * A replicated service inside a program of one's own: three members, here in one process, each with its
 * SQLite file. Kill and start them as you like; run it twice, and it goes on counting where it was.
 *
 *   node examples/dist/embed.js [DIRECTORY]
 */
import { createKvStateMachine, KvClient, startKvServer, type KvServer } from '@balsa/kv';
import { createNodeEnv, RaftNode, type Member } from '@balsa/raft-node';
import { openSqliteEngine } from '@balsa/storage-sqlite';
import { createTcpTransport } from '@balsa/transport-tcp';

const clusterId = '0123456789abcdef';
const host = '127.0.0.1';
const ports = [7311, 7312, 7313];
const members: readonly Member[] = ports.map((port, i) => ({ id: i + 1, address: `${host}:${port}` }));
const directory = process.argv[2] ?? '.balsa/embed';
const env = createNodeEnv();

interface RunningMember {
  readonly server: KvServer;
  stop(): Promise<void>;
}

async function startMember(id: number, port: number): Promise<RunningMember> {
  const engine = await openSqliteEngine({ directory: `${directory}/${id}`, env });
  const stateMachine = createKvStateMachine(engine.orderedStore('kv'));
  const transport = createTcpTransport({ env, listen: { host, port } });
  const bootstrap = { clusterId, members };
  const node = await RaftNode.start({ id, engine, ownEngine: true, stateMachine, transport, env, bootstrap });
  const server = await startKvServer({ node, stateMachine, env, resp: { host, port: 0 } });
  const stop = async (): Promise<void> => {
    await server.stop();
    await node.stop();
  };
  return { server, stop };
}

const running = await Promise.all(ports.map((port, i) => startMember(i + 1, port)));
const client = new KvClient({
  addresses: running.map((member) => member.server.respAddress),
  env,
  retries: 50,
});

console.log(`this program ran ${await client.incr('runs')} times`);

await client.close();
await Promise.all(running.map((member) => member.stop()));
