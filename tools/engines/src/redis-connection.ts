/** The way to a Redis server through a proxy that breaks it where it is told to. */
import type { Engine, Env } from '@balsa/raft-core';
import type { FaultProxy, HeldTimers } from '@balsa/storage-redis/testing';
import type { EngineConnection, EngineServer } from './source.ts';

/** Of a reply. It goes by the fault that swallows one, and not by the clock: told from other timers by its length. */
const replyTimeoutMs = 54_321;

/** Of a log, every change is a script, and no read is. */
const change = 'evalsha';

interface Way {
  readonly proxy: FaultProxy;
  readonly timers: HeldTimers;
}

/** How the engine is opened this way. */
interface Choices {
  readonly url: string;
  readonly replyTimeoutMs: number;
  readonly env: Env;
}

/** The proxy starts with the first use. `open` opens the engine of the place as it is told. */
export function faultyConnection(
  server: EngineServer,
  env: Env,
  open: (choices: Choices) => Promise<Engine>,
): EngineConnection & { close(): Promise<void> } {
  let starting: Promise<Way> | undefined;
  let way: Way | undefined;
  const started = (): Promise<Way> => {
    starting ??= (async () => {
      const { FaultProxy, HeldTimers } = await import('@balsa/storage-redis/testing');
      const { hostname, port } = new URL(server.url);
      const proxy = await FaultProxy.start({ host: hostname, port: Number(port) });
      way = { proxy, timers: new HeldTimers(env, replyTimeoutMs) };
      return way;
    })();
    return starting;
  };
  return {
    open: async () => {
      const { proxy, timers } = await started();
      return open({ url: proxy.url, replyTimeoutMs, env: timers.env });
    },
    arm: async (kind) => {
      // At once where it can be: what is asked for next must not overtake it.
      const { proxy, timers } = way ?? (await started());
      await proxy.arm({ kind, match: change });
      if (kind === 'swallow-reply') timers.hurry();
    },
    cut: () => way?.proxy.cutClients(),
    heal: async () => {
      const present = way ?? (await starting);
      present?.timers.hold();
      await present?.proxy.heal();
    },
    close: async () => (await starting)?.proxy.close(),
  };
}
