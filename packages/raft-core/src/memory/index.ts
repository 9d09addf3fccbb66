/** Storage in memory: the reference model of the contracts, with restarts, crashes and failures on demand. */
export { openMemoryEngine, type MemoryEngineOptions } from './engine.ts';
export { createMemoryDisk, type CrashOptions, type MemoryDisk } from './disk.ts';
export type { MemoryOperation, MemorySchedule } from './gate.ts';
