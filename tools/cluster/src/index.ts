/**
 * Clusters of node processes: to run one, for the demo, and for trials.
 * @packageDocumentation
 */
export { formatHostPort, type ClusterMember, type HostPort } from './addresses.ts';
export {
  isChildReport,
  type ChildReport,
  type FailedReport,
  type ReadyReport,
  type ServerReport,
} from './child-report.ts';
export { balsaProgram } from './balsa-program.ts';
export { ClusterClient, outcomeOfFailure, type ReadResult, type WriteOutcome } from './cluster-client.ts';
export { openClusterFile, readClusterFile, writeClusterFile, type ClusterIdentity } from './cluster-file.ts';
export { writeDurably } from './durable-file.ts';
export { CommandFailure } from './failure.ts';
export { fetchMetrics, fetchStatus, isReady, type Digest, type MemberChange } from './node-http.ts';
export { NodeProcess, type NodeExit, type NodeSpec } from './node-process.ts';
export { Network, type LinkFault } from './network.ts';
export { planStorages, type NodeStorage } from './node-storage.ts';
export { isAlive } from './processes.ts';
export { findFreePorts, requireFree } from './ports.ts';
export { Random } from './random.ts';
export { listenForStop, type StopRequest } from './signals.ts';
export { TestCluster, type Leader, type TestClusterOptions } from './test-cluster.ts';
export { waitFor, type WaitOptions } from './wait.ts';
