/**
 * Benchmarks: stores against the raw disk and their bare clients, clusters of them, and the core alone.
 * @packageDocumentation
 */
export { benchCommand } from './command.ts';
