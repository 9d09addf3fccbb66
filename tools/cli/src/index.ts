/**
 * The balsa command: start a cluster, run the demo, serve a node.
 * @packageDocumentation
 */
export { createProgram } from './program.ts';
