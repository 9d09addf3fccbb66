/** The way to a Redis server through a proxy that breaks it where it is told to. */
import type { Engine } from '@balsa/raft-core';
import type { FaultProxy } from '@balsa/storage-redis/testing';
import type { EngineConnection, EngineServer } from './source.ts';

/** Low, because whoever swallows a reply waits for it; high enough for a slow disk. */
const replyTimeoutMs = 1_000;

/** Of a log, every change is a script, and no read is. */
const change = 'evalsha';

/** The proxy starts with the first use. `open` opens the engine of the place at the address that it is given. */
export function faultyConnection(
  server: EngineServer,
  open: (address: { readonly url: string; readonly replyTimeoutMs: number }) => Promise<Engine>,
): EngineConnection & { close(): Promise<void> } {
  let starting: Promise<FaultProxy> | undefined;
  let proxy: FaultProxy | undefined;
  const started = (): Promise<FaultProxy> => {
    starting ??= (async () => {
      const { FaultProxy } = await import('@balsa/storage-redis/testing');
      const { hostname, port } = new URL(server.url);
      proxy = await FaultProxy.start({ host: hostname, port: Number(port) });
      return proxy;
    })();
    return starting;
  };
  return {
    open: async () => open({ url: (await started()).url, replyTimeoutMs }),
    // At once where it can be: what is asked for next must not overtake it.
    arm: (kind) =>
      proxy === undefined
        ? started().then((one) => one.arm({ kind, match: change }))
        : proxy.arm({ kind, match: change }),
    cut: () => proxy?.cutClients(),
    heal: async () => (proxy ?? (await starting))?.heal(),
    close: async () => (await starting)?.close(),
  };
}
