#!/usr/bin/env node
/** Prints what a rival prints: the same speeds in every mode. */
const lines = [
  'nodes=1 batch=1    size=128   ser=x multi=x     500000 ops/s     2000 ns/op',
  'nodes=3 batch=64   size=128   ser=x multi=x    1250000.0 ops/s      800 ns/op',
  'done',
];
process.stdout.write(`${lines.join('\n')}\n`);
