import type { CounterName, GaugeName, HistogramName, NodeMetrics } from '@balsa/raft-node';
import { Registry, type Metric } from 'prom-client';
import type { KvService, ServiceCounters } from '../server/service.ts';

interface Sample {
  readonly metricName?: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

/** A registry of its own for each server, whose metrics are read from node and service when they are scraped. */
export function metricsRegistry(service: KvService): Registry {
  const registry = new Registry();
  let scraped: NodeMetrics | undefined;
  /** All metrics of one scrape come from one look at the node; the first metric of the registry takes it. */
  const node = (): NodeMetrics => (scraped ??= service.log.metrics());
  const add = (
    type: 'counter' | 'gauge' | 'histogram',
    name: string,
    help: string,
    samples: () => Sample[],
  ): void => {
    const get = (): Promise<object> =>
      Promise.resolve({ name, help, type, aggregator: 'sum', values: samples() });
    // prom-client asks of a metric only its name and `get`; its own classes cannot take finished buckets.
    registry.registerMetric({ name, get } as unknown as Metric);
  };
  add('gauge', 'balsa_ready', 'Whether this node can serve.', () => {
    scraped = undefined;
    return single(service.ready().ok ? 1 : 0);
  });
  for (const [key, name, help] of raftCounters)
    add('counter', name, help, () => single(node().counters[key]));
  for (const [key, name, help] of raftGauges) add('gauge', name, help, () => single(node().gauges[key]));
  for (const [key, name, help] of raftHistograms) {
    const perSecond = key.endsWith('Ms') ? 1000 : 1;
    add('histogram', name, help, () => histogram(name, node(), key, perSecond));
  }
  add('counter', 'balsa_raft_proposal_outcomes_total', 'Proposals by outcome.', () =>
    byLabel('outcome', node().proposalOutcomes),
  );
  add('counter', 'balsa_raft_read_outcomes_total', 'Reads by outcome.', () =>
    byLabel('outcome', node().readOutcomes),
  );
  add('counter', 'balsa_raft_rejected_messages_total', 'Messages of peers refused, by code.', () =>
    byLabel('code', node().rejectedMessages),
  );
  for (const [key, name, help] of serviceCounters)
    add('counter', name, help, () => single(service.counters[key]));
  add('counter', 'balsa_kv_read_rounds_total', 'Read points asked of the node.', () =>
    single(service.reads.roundCount),
  );
  add('gauge', 'balsa_kv_clients', 'RESP connections.', () => single(service.connections.size));
  add('gauge', 'balsa_kv_writes_in_flight', 'Writes in the log and not yet answered.', () =>
    single(service.writesInFlight),
  );
  return registry;
}

function single(value: number): Sample[] {
  return [{ labels: {}, value }];
}

function byLabel(label: string, counts: Readonly<Record<string, number>>): Sample[] {
  return Object.entries(counts).map(([name, value]) => ({ labels: { [label]: name }, value }));
}

/** Prometheus counts every bucket's observations into all larger ones, too. */
function histogram(name: string, metrics: NodeMetrics, key: HistogramName, unit: number): Sample[] {
  const { bounds, counts, sum, count } = metrics.histograms[key];
  let below = 0;
  const samples: Sample[] = bounds.map((bound, i) => {
    below += counts[i] ?? 0;
    return { metricName: `${name}_bucket`, labels: { le: bound / unit }, value: below };
  });
  samples.push({ metricName: `${name}_bucket`, labels: { le: '+Inf' }, value: count });
  samples.push({ metricName: `${name}_sum`, labels: {}, value: sum / unit });
  samples.push({ metricName: `${name}_count`, labels: {}, value: count });
  return samples;
}

const raftCounters: readonly (readonly [CounterName, string, string])[] = [
  ['ticks', 'balsa_raft_ticks_total', 'Ticks of the node.'],
  ['lateTicks', 'balsa_raft_late_ticks_total', 'Ticks that came late.'],
  ['proposals', 'balsa_raft_proposals_total', 'Proposals made on this node.'],
  ['proposalsForwarded', 'balsa_raft_proposals_forwarded_total', 'Proposals forwarded to the leader.'],
  ['proposalsFromPeers', 'balsa_raft_proposals_from_peers_total', 'Proposals taken from peers.'],
  ['reads', 'balsa_raft_reads_total', 'Read points asked for.'],
  ['readRounds', 'balsa_raft_read_rounds_total', 'Rounds that confirmed read points.'],
  ['elections', 'balsa_raft_elections_total', 'Campaigns begun.'],
  ['leaderChanges', 'balsa_raft_leader_changes_total', 'Changes of the known leader.'],
  ['entriesPersisted', 'balsa_raft_entries_persisted_total', 'Entries made durable.'],
  ['entriesApplied', 'balsa_raft_entries_applied_total', 'Entries applied.'],
  ['storageWrites', 'balsa_raft_storage_writes_total', 'Durable writes of the log.'],
  ['confChanges', 'balsa_raft_conf_changes_total', 'Membership changes applied.'],
  ['compactions', 'balsa_raft_compactions_total', 'Compactions of the log.'],
  ['snapshotsCreated', 'balsa_raft_snapshots_created_total', 'Snapshots made.'],
  ['snapshotsSent', 'balsa_raft_snapshots_sent_total', 'Snapshots sent.'],
  ['snapshotsReceived', 'balsa_raft_snapshots_received_total', 'Snapshots received.'],
  ['snapshotsInstalled', 'balsa_raft_snapshots_installed_total', 'Snapshots installed.'],
  ['snapshotsFailed', 'balsa_raft_snapshots_failed_total', 'Snapshots that failed.'],
];

const raftGauges: readonly (readonly [GaugeName, string, string])[] = [
  ['term', 'balsa_raft_term', 'Present term.'],
  ['isLeader', 'balsa_raft_is_leader', 'Whether this node leads.'],
  ['hasLeader', 'balsa_raft_has_leader', 'Whether this node knows a leader.'],
  ['commitIndex', 'balsa_raft_commit_index', 'Commit index.'],
  ['appliedIndex', 'balsa_raft_applied_index', 'Applied index.'],
  ['firstIndex', 'balsa_raft_first_index', 'First index of the log.'],
  ['lastIndex', 'balsa_raft_last_index', 'Last index of the log.'],
  ['pendingProposals', 'balsa_raft_pending_proposals', 'Proposals waiting for their result.'],
  [
    'pendingProposalBytes',
    'balsa_raft_pending_proposal_bytes',
    'Bytes of proposals waiting for their result.',
  ],
  ['pendingReads', 'balsa_raft_pending_reads', 'Reads waiting for their read point.'],
  ['logBytes', 'balsa_raft_log_bytes', 'Bytes of the log on disk.'],
  ['snapshotBytes', 'balsa_raft_snapshot_bytes', 'Bytes of stored snapshots.'],
  ['connectedPeers', 'balsa_raft_connected_peers', 'Peers connected.'],
];

const raftHistograms: readonly (readonly [HistogramName, string, string])[] = [
  ['storageWriteMs', 'balsa_raft_storage_write_duration_seconds', 'Durable write of the log.'],
  ['applyMs', 'balsa_raft_apply_duration_seconds', 'Application of a batch.'],
  ['proposeMs', 'balsa_raft_propose_duration_seconds', 'Proposal to result.'],
  ['readMs', 'balsa_raft_read_duration_seconds', 'Read to read point.'],
  ['tickDelayMs', 'balsa_raft_tick_delay_seconds', 'Lateness of ticks.'],
  ['writeBatchEntries', 'balsa_raft_write_batch_entries', 'Entries in a durable write.'],
];

const serviceCounters: readonly (readonly [keyof ServiceCounters, string, string])[] = [
  ['connectionsAccepted', 'balsa_kv_connections_accepted_total', 'RESP connections accepted.'],
  ['connectionsRefused', 'balsa_kv_connections_refused_total', 'RESP connections refused.'],
  ['commands', 'balsa_kv_commands_total', 'Commands received.'],
  ['reads', 'balsa_kv_reads_total', 'Reads begun.'],
  ['writes', 'balsa_kv_writes_total', 'Writes begun.'],
  ['errors', 'balsa_kv_error_replies_total', 'Error replies.'],
  ['unknownOutcomes', 'balsa_kv_unknown_outcomes_total', 'Writes answered with an unknown outcome.'],
  ['protocolErrors', 'balsa_kv_protocol_errors_total', 'Connections closed for a protocol error.'],
  ['bytesIn', 'balsa_kv_received_bytes_total', 'Bytes received from clients.'],
  ['bytesOut', 'balsa_kv_sent_bytes_total', 'Bytes sent to clients.'],
];
