/** What a worker thread runs: one engine after another, each over a channel of its own. */
import { parentPort } from 'node:worker_threads';
import { serveEngine } from './host.ts';
import type { Session } from './protocol.ts';

parentPort?.on('message', ({ port, data }: Session) => {
  void serveEngine(port, data);
});
