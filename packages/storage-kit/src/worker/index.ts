/**
 * Any engine in a worker thread.
 * @packageDocumentation
 */
export { unheededTimer } from '../real-env.ts';
export { builtModule, openWorkerEngine, type WorkerEngineOptions } from './worker-engine.ts';
