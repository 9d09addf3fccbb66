/**
 * A simulated network between nodes of one process, and an Env with virtual time to run it in.
 * @packageDocumentation
 */
export { createVirtualEnv, type VirtualEnv, type VirtualEnvOptions } from './virtual-env.ts';
export { createRandom, type RandomSource } from './random.ts';
export { memoryAddress } from './address.ts';
export { createMemoryNetwork } from './network.ts';
export type { Envelope, MemoryNetwork, MemoryNetworkOptions, NetworkCounts } from './memory-network.ts';
export { TimerHeap, before, type Timed } from './timer-heap.ts';
