/**
 * The replicated key-value service: commands, state machine, RESP and HTTP servers, client.
 * @packageDocumentation
 */
export { startKvServer, type KvServer, type KvServerOptions } from './serve.ts';
export { createKvStateMachine, KvStateMachine, type KvStateMachineOptions } from './machine/state-machine.ts';
export {
  decodeCommand,
  encodeCommand,
  commandVersion,
  type KvCommand,
  type SetCondition,
} from './machine/command.ts';
export type { WriteBehindBounds } from './machine/write-behind.ts';
export { digestOf, type StateDigest } from './machine/digest.ts';
export { maxCommandBytes, maxUserKeyBytes, maxValueBytes } from './machine/limits.ts';
export { storeKey, userKey } from './machine/store-key.ts';
export type { KvResult, ReplicatedLog } from './replicated-log.ts';
export { defaultKvLimits, type KvLimits } from './server/limits.ts';
export type { ListenAddress, ListenOptions } from './server/resp-server.ts';
export { KvClient, type KvClientOptions, type SetOptions } from './client/kv-client.ts';
export type { Reply } from './resp/reply.ts';
