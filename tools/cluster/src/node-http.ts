/** Asks a node over HTTP, as any operator could. */
import type { NodeStatus } from '@balsa/raft-node';
import { CommandFailure } from './failure.ts';
import { formatHostPort, type HostPort } from './addresses.ts';

/** A node that is alive answers well within this, in milliseconds. */
const askMs = 1_000;
/** A digest reads all that the node holds. In milliseconds. */
const digestMs = 30_000;
/** A membership change waits for a majority, and a promotion for the learner. In milliseconds. */
const changeMs = 15_000;

export interface MemberChange {
  readonly change: 'add-learner' | 'promote' | 'remove';
  readonly id: number;
  readonly address?: string;
}

async function ask(address: HostPort, place: string, timeoutMs = askMs): Promise<Response | undefined> {
  try {
    const response = await fetch(`http://${formatHostPort(address)}${place}`, {
      signal: AbortSignal.timeout(timeoutMs),
    });
    return response.ok ? response : undefined;
  } catch {
    // A node that is down, starting or busy gives no answer; what that means is for the caller to say.
    return undefined;
  }
}

/** Undefined when the node does not answer. */
export async function fetchStatus(address: HostPort): Promise<NodeStatus | undefined> {
  const response = await ask(address, '/status');
  return (await response?.json().catch(() => undefined)) as NodeStatus | undefined;
}

/** Whether the node says that it can serve. */
export async function isReady(address: HostPort): Promise<boolean> {
  return (await ask(address, '/readyz')) !== undefined;
}

/** Unlabelled samples of the node's metrics by name; undefined when it does not answer. */
export async function fetchMetrics(address: HostPort): Promise<ReadonlyMap<string, number> | undefined> {
  const response = await ask(address, '/metrics');
  const text = await response?.text().catch(() => undefined);
  return text === undefined ? undefined : parseMetrics(text);
}

/** The Prometheus text format, as far as it is needed: values of samples, summed over their labels. */
export function parseMetrics(text: string): ReadonlyMap<string, number> {
  const samples = new Map<string, number>();
  for (const line of text.split('\n')) {
    const match = /^([A-Za-z_:][\w:]*)(?:\{[^}]*\})? (\S+)/.exec(line);
    const [, name, value] = match ?? [];
    if (name !== undefined) samples.set(name, (samples.get(name) ?? 0) + Number(value));
  }
  return samples;
}

export interface Digest {
  readonly digest: string;
  readonly appliedIndex: number;
  readonly count: number;
}

/** What the node's key-value contents come to, computed from a point in time; undefined when it does not answer. */
export async function fetchDigest(address: HostPort): Promise<Digest | undefined> {
  const response = await ask(address, '/digest', digestMs);
  return (await response?.json().catch(() => undefined)) as Digest | undefined;
}

/** Makes one membership change; rejects with what the node said. */
export async function postMemberChange(address: HostPort, change: MemberChange): Promise<void> {
  const response = await fetch(`http://${formatHostPort(address)}/members`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(change),
    signal: AbortSignal.timeout(changeMs),
  });
  if (!response.ok) {
    throw new CommandFailure(
      `${change.change} ${change.id}: HTTP ${response.status}: ${(await response.text()).trim()}`,
    );
  }
}

/** Asks the leader to hand over to `to`. False when it did not. */
export async function postTransfer(address: HostPort, to: number): Promise<boolean> {
  const response = await fetch(`http://${formatHostPort(address)}/transfer`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ to }),
    signal: AbortSignal.timeout(changeMs),
  }).catch(() => undefined);
  return response?.ok === true;
}
