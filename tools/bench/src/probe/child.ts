/** A process under the shim: opens the store and makes the writes of a probe. Started by probe.ts. */
import { openReference } from '@balsa/engines';
import { createBenchEnv } from '../real-env.ts';
import { jobVariable, makeProbeWrites, type ProbeJob } from './writes.ts';

const job = JSON.parse(process.env[jobVariable] ?? '{}') as ProbeJob;
const engine = await openReference(job.reference, createBenchEnv());
await makeProbeWrites(engine, job.trace);
await engine.close();
