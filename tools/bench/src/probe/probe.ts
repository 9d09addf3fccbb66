/**
 * The durability probe: a store is watched from outside while it acknowledges writes, by a preloaded library
 * that sees every write and sync. What it says about itself is not asked.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, realpathSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { EnginePlace, EngineSource } from '@balsa/engines';
import type { Env } from '@balsa/raft-core';
import { findShim, readTrace } from '@balsa/test-suite/shim';
import { builtProgram } from '../built.ts';
import type { Probe } from '../report/report.ts';
import { judgeTrace } from './judge.ts';
import { jobVariable, makeProbeWrites, probeMarkers, type ProbeJob } from './writes.ts';

/** What was seen, or why nothing could be. */
export type ProbeOutcome = { readonly probe: Probe } | { readonly missing: string };

export interface ProbeOptions {
  readonly source: EngineSource;
  /** Of this probe alone. */
  readonly directory: string;
  readonly env: Env;
  readonly signal: AbortSignal;
}

const timeoutMs = 60_000;

export async function probeStore({ source, directory, env, signal }: ProbeOptions): Promise<ProbeOutcome> {
  const shim = await findShim();
  if (!('path' in shim)) return { missing: shim.missing };
  const data = path.join(directory, 'data');
  mkdirSync(data, { recursive: true });
  const trace = path.join(directory, 'trace');
  const place = await source.prepare({ directory: data, env });
  if (place.server === undefined && 'url' in source.options) {
    await place.close();
    return { missing: 'its data lie in a server that somebody else started' };
  }
  const watched: Record<string, string> = {
    LD_PRELOAD: shim.path,
    // A conformance target makes places of its own, another one in the child: they are expected among the temporary files.
    BALSA_SHIM_DIR: realpathSync(place.directory === data ? data : tmpdir()),
    BALSA_SHIM_TRACE: trace,
    BALSA_SHIM_MARKS: 'off',
    // Files through io_uring would pass by the shim.
    UV_USE_IO_URING: '0',
  };
  try {
    if (place.server === undefined) await inChild({ reference: place.reference, trace }, watched, signal);
    else await throughServer(place, trace, watched);
  } finally {
    await place.close();
  }
  if (!existsSync(trace)) return { missing: 'the preloaded library recorded nothing' };
  return { probe: judgeTrace(readTrace(trace), probeMarkers()) };
}

/** The server is the one who writes to the disk: it is watched, and this process announces. */
async function throughServer(
  place: EnginePlace,
  trace: string,
  watched: Readonly<Record<string, string>>,
): Promise<void> {
  await place.server?.restart(watched);
  const engine = await place.open();
  try {
    await makeProbeWrites(engine, trace);
  } finally {
    await engine.close();
  }
}

function inChild(
  job: ProbeJob,
  watched: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<void> {
  const child = spawn(process.execPath, [builtProgram('probe/child.js')], {
    env: { ...process.env, NODE_OPTIONS: '', ...watched, [jobVariable]: JSON.stringify(job) },
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
    signal,
  });
  let stderr = '';
  child.stderr.on('data', (data: Buffer) => (stderr += data.toString()));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, killed) => {
      if (code === 0) resolve();
      else
        reject(new Error(`the process of the probe ended with ${String(killed ?? code)}: ${stderr.trim()}`));
    });
  });
}
