/** What a worker thread runs. */
import { parentPort, workerData } from 'node:worker_threads';
import { serveEngine } from './host.ts';
import type { HostData } from './protocol.ts';

if (parentPort !== null) await serveEngine(parentPort, workerData as HostData);
