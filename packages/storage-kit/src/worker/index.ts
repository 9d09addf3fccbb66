/**
 * Any engine in a worker thread.
 * @packageDocumentation
 */
export { builtModule, openWorkerEngine, type WorkerEngineOptions } from './worker-engine.ts';
