/**
 * `balsa serve` under V8's profiler. Started by its path in place of the balsa command, with `--bench-profile DIR`
 * among the arguments. It begins at one SIGUSR2 and, at the next, leaves DIR/PID.json: a `NodeProfile`.
 */
import { renameSync, writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import path from 'node:path';
import { performance } from 'node:perf_hooks';
import { pathToFileURL } from 'node:url';
import { balsaProgram } from '@balsa/cluster';
import { partsOf } from './parts.ts';
import { profileOption, type NodeProfile } from './node-profile.ts';

/** Between two samples, in microseconds. */
const intervalUs = 200;

const at = process.argv.indexOf(profileOption);
const [, directory = '.'] = process.argv.splice(at, 2);
const session = new Session();
session.connect();
let begun: ReturnType<typeof performance.eventLoopUtilization> | undefined;

process.on('SIGUSR2', () => {
  const before = begun;
  void (before === undefined ? begin() : end(before));
});

async function begin(): Promise<void> {
  begun = performance.eventLoopUtilization();
  await session.post('Profiler.enable');
  await session.post('Profiler.setSamplingInterval', { interval: intervalUs });
  await session.post('Profiler.start');
}

async function end(before: ReturnType<typeof performance.eventLoopUtilization>): Promise<void> {
  const { utilization } = performance.eventLoopUtilization(before);
  begun = undefined;
  const { profile } = await session.post('Profiler.stop');
  const found: NodeProfile = { utilization, parts: partsOf(profile) };
  const file = path.join(directory, `${process.pid}.json`);
  writeFileSync(`${file}.tmp`, JSON.stringify(found));
  renameSync(`${file}.tmp`, file);
}

const program = balsaProgram();
process.argv[1] = program;
await import(pathToFileURL(program).href);
