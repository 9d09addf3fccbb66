/**
 * Clusters of node processes, for the demo and for trials.
 * @packageDocumentation
 */
export { ClusterClient, type ReadResult, type WriteOutcome } from './cluster-client.ts';
export { NodeProcess, type NodeExit, type NodeSpec } from './node-process.ts';
export { Random } from './random.ts';
export { TestCluster, type Leader, type TestClusterOptions } from './test-cluster.ts';
