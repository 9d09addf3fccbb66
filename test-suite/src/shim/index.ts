/**
 * The shim for tools that watch what a process does to its disk.
 * @packageDocumentation
 */
export { findShim, type Shim } from './compile.ts';
export { appendMark } from './mark.ts';
export { readTrace, type TraceOperation } from './trace.ts';
