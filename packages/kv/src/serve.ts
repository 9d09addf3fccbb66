import type { Env } from '@balsa/raft-core';
import { HttpServer } from './http/http-server.ts';
import type { KvStateMachine } from './machine/state-machine.ts';
import type { ReplicatedLog } from './replicated-log.ts';
import { resolveLimits, type KvLimits } from './server/limits.ts';
import { RespServer, type ListenAddress, type ListenOptions } from './server/resp-server.ts';
import { KvService } from './server/service.ts';

export interface KvServerOptions {
  /** The node whose state machine is `stateMachine`. A `RaftNode<KvResult>` is one. Started and stopped by the caller. */
  readonly node: ReplicatedLog;
  readonly stateMachine: KvStateMachine;
  readonly env: Env;
  /** Redis protocol. */
  readonly resp: ListenOptions;
  /** Health, metrics and administration. Not served when left out. */
  readonly http?: ListenOptions;
  readonly limits?: Partial<KvLimits>;
}

export interface KvServer extends AsyncDisposable {
  readonly respAddress: ListenAddress;
  readonly httpAddress: ListenAddress | undefined;
  /** Idempotent. Refuses new clients, answers what is under way (at most `limits.drainMs`), closes. The node goes on. */
  stop(): Promise<void>;
}

/**
 * Serves the key-value commands on a running node. Rejects with `ADDRESS_IN_USE` when a port is taken (and
 * then listens nowhere), `OUT_OF_RANGE` or `INVALID_CONFIG` for limits that cannot work.
 */
export async function startKvServer(options: KvServerOptions): Promise<KvServer> {
  const service = new KvService(
    options.node,
    options.stateMachine,
    options.env,
    resolveLimits(options.limits),
  );
  const resp = new RespServer(service);
  const respAddress = await resp.listen(options.resp);
  const http = options.http === undefined ? undefined : new HttpServer(service);
  let httpAddress: ListenAddress | undefined;
  try {
    if (http !== undefined && options.http !== undefined) httpAddress = await http.listen(options.http);
  } catch (problem) {
    await resp.stop();
    throw problem;
  }
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopped ??= stopBoth();
    return stopped;
  };
  const stopBoth = async (): Promise<void> => {
    service.stopping = true;
    await resp.stop();
    await http?.stop();
  };
  return { respAddress, httpAddress, stop, [Symbol.asyncDispose]: stop };
}
