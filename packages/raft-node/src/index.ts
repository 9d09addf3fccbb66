/**
 * raft-node: the runtime that drives raft-core on a Storage, a StateMachine and a Transport.
 * @packageDocumentation
 */
export * from './options.ts';
export * from './status.ts';
export * from './metrics.ts';
export type { CallOptions } from './call.ts';
export type { NodeEvents, NodeListener } from './events.ts';
export * from './raft-node.ts';
export type { MembershipChange } from './membership-change.ts';
export { addressStoreName, readAddresses, type RecordedAddresses } from './address-book.ts';
export { decodeConfContext, type ConfContext } from './conf-context.ts';
export { payloadOf } from './envelope.ts';
export { isUsableSnapshot } from './recover.ts';
export { createNodeEnv } from './real-env.ts';
