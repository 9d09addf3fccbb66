import { redisVersion } from '../commands/connection.ts';
import type { KvService } from './service.ts';

type Fields = readonly (readonly [string, string | number])[];

/** INFO: the sections asked for (lower case), or all of them. Fields that Redis has keep its names; the rest is ours. */
export async function infoText(service: KvService, wanted: readonly string[]): Promise<string> {
  const everything =
    wanted.length === 0 || wanted.some((name) => ['all', 'default', 'everything'].includes(name));
  const parts: string[] = [];
  for (const [name, fields] of sections) {
    if (!everything && !wanted.includes(name.toLowerCase())) continue;
    const lines = (await fields(service)).map(([key, value]) => `${key}:${String(value)}\r\n`);
    parts.push(`# ${name}\r\n${lines.join('')}`);
  }
  return parts.join('\r\n');
}

const sections: readonly (readonly [string, (service: KvService) => Fields | Promise<Fields>])[] = [
  ['Server', server],
  ['Clients', clients],
  ['Persistence', () => [['loading', 0]]],
  ['Stats', stats],
  ['Replication', replication],
  ['Raft', raft],
  ['Keyspace', keyspace],
];

function server(service: KvService): Fields {
  const seconds = Math.floor((service.env.now() - service.startedAt) / 1000);
  return [
    ['redis_version', redisVersion],
    ['redis_mode', 'standalone'],
    ['server_name', 'balsa'],
    ['os', `${process.platform} ${process.arch}`],
    ['process_id', process.pid],
    ['node_version', process.versions.node],
    ['uptime_in_seconds', seconds],
    ['uptime_in_days', Math.floor(seconds / 86_400)],
  ];
}

function clients(service: KvService): Fields {
  return [
    ['connected_clients', service.connections.size],
    ['maxclients', service.limits.maxClients],
  ];
}

function stats(service: KvService): Fields {
  const { counters } = service;
  return [
    ['total_connections_received', counters.connectionsAccepted],
    ['rejected_connections', counters.connectionsRefused],
    ['total_commands_processed', counters.commands],
    ['total_error_replies', counters.errors],
    ['total_net_input_bytes', counters.bytesIn],
    ['total_net_output_bytes', counters.bytesOut],
    ['unknown_outcomes', counters.unknownOutcomes],
  ];
}

/** A follower calls itself a slave, as Redis does, though every node takes reads and writes. */
function replication(service: KvService): Fields {
  const status = service.log.status();
  if (status.role !== 'leader') {
    const [host = '', port = ''] = splitAddress(status.leaderAddress ?? '');
    return [
      ['role', 'slave'],
      ['master_host', host],
      ['master_port', port],
      ['master_link_status', status.leader === undefined ? 'down' : 'up'],
      ['slave_repl_offset', status.applied],
      ['slave_read_only', 0],
    ];
  }
  const peers = status.progress.filter((peer) => peer.id !== status.id);
  return [
    ['role', 'master'],
    ['connected_slaves', peers.filter((peer) => peer.recentActive).length],
    ...peers.map((peer, i): [string, string] => [
      `slave${String(i)}`,
      `id=${String(peer.id)},state=${peer.recentActive ? 'online' : 'offline'},offset=${String(peer.match)},lag=${String(peer.lag)}`,
    ]),
    ['master_repl_offset', status.commit],
  ];
}

function splitAddress(address: string): string[] {
  const at = address.lastIndexOf(':');
  return at < 0 ? [address] : [address.slice(0, at), address.slice(at + 1)];
}

function raft(service: KvService): Fields {
  const status = service.log.status();
  return [
    ['raft_node_id', status.id],
    ['raft_cluster_id', status.clusterId],
    ['raft_group', status.group],
    ['raft_role', status.role],
    ['raft_term', status.term],
    ['raft_leader', status.leader ?? 0],
    ['raft_commit_index', status.commit],
    ['raft_applied_index', status.applied],
    ['raft_first_index', status.firstIndex],
    ['raft_last_index', status.lastIndex],
    ['raft_voters', status.confState.voters.join(',')],
    ['raft_learners', status.confState.learners.join(',')],
    ['raft_ready', service.ready().ok ? 1 : 0],
    ['raft_not_ready_reason', service.ready().reason],
  ];
}

/** As of this node's applied index, not linearizable; DBSIZE is. */
async function keyspace(service: KvService): Promise<Fields> {
  const keys = await service.store.count();
  return keys === 0 ? [] : [['db0', `keys=${String(keys)},expires=0,avg_ttl=0`]];
}
