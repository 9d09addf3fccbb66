/** Keeps the server below a node running: one that dies is started again, on the same data and address. */
import { setTimeout as sleep } from 'node:timers/promises';
import { LogLevel, type Logger } from '@balsa/raft-core';
import type { EngineServer } from '@balsa/engines';

const lookMs = 200;
const longestPauseMs = 30_000;

export interface KeeperOptions {
  readonly server: EngineServer;
  readonly log: Logger;
  /** The server runs, for the first time or again. */
  readonly onRunning: (pid: number) => void;
}

/** Until `stop`. What the death of the server means for the node is the store's to say. */
export class ServerKeeper {
  readonly #options: KeeperOptions;
  readonly #stop = new AbortController();
  readonly #ended: Promise<void>;

  constructor(options: KeeperOptions) {
    this.#options = options;
    this.#tell();
    this.#ended = this.#watch();
  }

  /** Before the server itself is stopped. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#ended;
  }

  async #watch(): Promise<void> {
    const { server, log } = this.#options;
    let pauseMs = lookMs;
    while (await this.#pause(pauseMs)) {
      if (server.pid() !== undefined) continue;
      log.log(LogLevel.Warn, 'the server that holds the data has ended; it is started again', {
        url: server.url,
      });
      try {
        await server.start();
        pauseMs = lookMs;
        this.#tell();
      } catch (error) {
        pauseMs = Math.min(pauseMs * 2, longestPauseMs);
        log.log(LogLevel.Error, 'the server that holds the data cannot be started', { error: String(error) });
      }
    }
  }

  /** False when it is time to stop. */
  #pause(ms: number): Promise<boolean> {
    return sleep(ms, undefined, { signal: this.#stop.signal }).then(
      () => true,
      () => false,
    );
  }

  #tell(): void {
    const pid = this.#options.server.pid();
    if (pid !== undefined) this.#options.onRunning(pid);
  }
}
