/** Who may have a number: each store is opened, asked what it is, and watched. */
import path from 'node:path';
import type { EngineSource } from '@balsa/engines';
import type { StorageCapabilities } from '@balsa/raft-core';
import { probeStore } from './probe/probe.ts';
import type { Probe, StoreReport } from './report/report.ts';
import type { Entrant, WorkloadContext } from './workloads/context.ts';

export interface Admission {
  readonly store: StoreReport;
  /** Undefined for a store that gets no number. */
  readonly entrant: Entrant | undefined;
}

export async function admit(source: EngineSource, context: WorkloadContext): Promise<Admission> {
  const { label } = source;
  const { env, signal, say, inDirectory } = context;
  say(`durability probe: ${label}`);
  try {
    const found = await inDirectory((directory) => look(source, path.join(directory, 'data'), context));
    const { engine, engineVersion } = found;
    const known = { label, engine, engineVersion };
    if (!found.persistent) {
      const store = { ...known, status: 'volatile', reason: volatileReason, probe: null } as const;
      return { store, entrant: { source, durability: 'volatile' } };
    }
    const outcome = await inDirectory((directory) => probeStore({ source, directory, env, signal }));
    const probe = 'probe' in outcome ? outcome.probe : null;
    const { status, reason } = verdict(found, probe, 'missing' in outcome ? outcome.missing : '');
    const store = { ...known, status, reason, probe };
    return { store, entrant: status === 'refused' ? undefined : { source, durability: status } };
  } catch (error) {
    signal.throwIfAborted();
    const reason = error instanceof Error ? error.message : String(error);
    const store = {
      label,
      engine: null,
      engineVersion: null,
      status: 'unavailable',
      reason,
      probe: null,
    } as const;
    return { store, entrant: undefined };
  }
}

const volatileReason = 'keeps nothing beyond the process; shown for what the contract alone costs';

async function look(
  source: EngineSource,
  directory: string,
  { env }: WorkloadContext,
): Promise<StorageCapabilities> {
  const engine = await source.open({ directory, env });
  try {
    return engine.capabilities;
  } finally {
    await engine.close();
  }
}

function verdict(
  { durability }: StorageCapabilities,
  probe: Probe | null,
  missing: string,
): { readonly status: 'durable' | 'relaxed' | 'unproved' | 'refused'; readonly reason: string } {
  const seen =
    probe === null
      ? ''
      : `${probe.covered} of ${probe.acknowledged} acknowledged writes had been synced before, in ${probe.syncs} syncs`;
  if (durability === 'relaxed')
    return { status: 'relaxed', reason: probe === null ? 'asked to be' : `asked to be; ${seen}` };
  if (probe === null) return { status: 'unproved', reason: `could not be watched: ${missing}` };
  if (probe.acknowledged > 0 && probe.covered === probe.acknowledged)
    return { status: 'durable', reason: seen };
  return {
    status: 'refused',
    reason: `gets no number, because it acknowledges before it syncs: ${seen}`,
  };
}
