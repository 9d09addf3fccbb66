/**
 * The handshake: what each side says of itself before anything else, and the reasons to refuse.
 *
 * JSON, because it happens once per connection, has to be readable across versions, and is small; each
 * field is checked one by one. Unknown fields are skipped, so that a later version may add some.
 */
import { BalsaError, type NodeId, type TransportIdentity } from '@balsa/raft-core';
import { malformed } from './frame.ts';

/** Versions of the protocol that this code speaks. The highest that both sides speak is used. */
export const protocolVersions = { min: 1, max: 1 } as const;

/** Bits of optional abilities; both sides use those that both have. None yet. */
export const supportedFeatures = 0;

/** Bound on a frame before the handshake is done, in bytes. */
export const maxHandshakeFrameBytes: number = 64 * 1024;

export type ConnectionPurpose = 'messages' | 'snapshot';

export interface Hello {
  readonly minVersion: number;
  readonly maxVersion: number;
  readonly clusterId: string;
  readonly nodeId: NodeId;
  readonly incarnation: string;
  /** Whom the sender wants to talk to. */
  readonly peer: NodeId;
  readonly features: number;
  readonly purpose: ConnectionPurpose;
  /** Largest frame the sender takes, in bytes. */
  readonly maxFrameBytes: number;
  /** For the authenticator; empty without one. */
  readonly auth: Uint8Array;
}

export type RefusalReason = 'cluster' | 'node' | 'version' | 'auth' | 'limit' | 'protocol';

export interface Refusal {
  readonly reason: RefusalReason;
  readonly text: string;
}

export interface HelloFields {
  readonly identity: TransportIdentity;
  readonly peer: NodeId;
  readonly purpose: ConnectionPurpose;
  readonly maxFrameBytes: number;
  readonly auth: Uint8Array;
}

export function makeHello(fields: HelloFields): Hello {
  return {
    minVersion: protocolVersions.min,
    maxVersion: protocolVersions.max,
    clusterId: fields.identity.clusterId,
    nodeId: fields.identity.nodeId,
    incarnation: fields.identity.incarnation,
    peer: fields.peer,
    features: supportedFeatures,
    purpose: fields.purpose,
    maxFrameBytes: fields.maxFrameBytes,
    auth: fields.auth,
  };
}

export function encodeHello(hello: Hello): Buffer {
  return Buffer.from(JSON.stringify({ ...hello, auth: Buffer.from(hello.auth).toString('base64') }));
}

/** Throws `WIRE_MALFORMED`. */
export function decodeHello(body: Buffer): Hello {
  const fields = parseObject(body, 'hello');
  const number = (name: string, min: number): number => {
    const value = fields[name];
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min)
      throw malformed(`hello has no proper ${name}`);
    return value;
  };
  const text = (name: string, maxLength: number): string => {
    const value = fields[name];
    if (typeof value !== 'string' || value.length > maxLength) throw malformed(`hello has no proper ${name}`);
    return value;
  };
  const purpose = text('purpose', 16);
  if (purpose !== 'messages' && purpose !== 'snapshot')
    throw malformed(`hello has the unknown purpose ${purpose}`);
  return {
    minVersion: number('minVersion', 0),
    maxVersion: number('maxVersion', 0),
    clusterId: text('clusterId', 256),
    nodeId: number('nodeId', 1),
    incarnation: text('incarnation', 256),
    peer: number('peer', 1),
    features: number('features', 0),
    purpose,
    maxFrameBytes: number('maxFrameBytes', 1),
    auth: Buffer.from(text('auth', maxHandshakeFrameBytes), 'base64'),
  };
}

export function encodeRefusal(refusal: Refusal): Buffer {
  return Buffer.from(
    JSON.stringify({ code: 'HANDSHAKE_REFUSED', reason: refusal.reason, text: refusal.text.slice(0, 4096) }),
  );
}

export function decodeRefusal(body: Buffer): { readonly reason: string; readonly text: string } {
  const { reason, text } = parseObject(body, 'refusal');
  return {
    reason: typeof reason === 'string' ? reason : 'unknown',
    text: typeof text === 'string' ? text.slice(0, 4096) : '',
  };
}

/** Why `theirs` cannot talk to us, or undefined when it can. */
export function judgeHello(
  theirs: Hello,
  identity: TransportIdentity,
  expected: NodeId | undefined,
): Refusal | undefined {
  if (theirs.minVersion > protocolVersions.max || theirs.maxVersion < protocolVersions.min) {
    const speaks = (min: number, max: number): string =>
      min === max ? `version ${String(min)}` : `versions ${String(min)} to ${String(max)}`;
    return {
      reason: 'version',
      text: `node ${String(theirs.nodeId)} speaks ${speaks(theirs.minVersion, theirs.maxVersion)} of the protocol, node ${String(identity.nodeId)} ${speaks(protocolVersions.min, protocolVersions.max)}`,
    };
  }
  if (theirs.clusterId !== identity.clusterId) {
    return {
      reason: 'cluster',
      text: `node ${String(theirs.nodeId)} belongs to cluster ${theirs.clusterId}, node ${String(identity.nodeId)} to cluster ${identity.clusterId}`,
    };
  }
  if (theirs.peer !== identity.nodeId) {
    return {
      reason: 'node',
      text: `node ${String(theirs.nodeId)} expects node ${String(theirs.peer)} here, but this is node ${String(identity.nodeId)}`,
    };
  }
  if (theirs.nodeId === identity.nodeId) {
    return { reason: 'node', text: `two processes claim to be node ${String(identity.nodeId)}` };
  }
  if (expected !== undefined && theirs.nodeId !== expected) {
    return {
      reason: 'node',
      text: `node ${String(expected)} was expected, but node ${String(theirs.nodeId)} answers`,
    };
  }
  return undefined;
}

export function refusalError(reason: string, text: string, by: 'us' | 'them'): BalsaError {
  return new BalsaError(
    'HANDSHAKE_REFUSED',
    by === 'us' ? `refused: ${text}` : `refused by the other side: ${text}`,
    { details: { reason, by } },
  );
}

/** Throws `WIRE_MALFORMED`. */
export function parseObject(body: Buffer, what: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch (cause) {
    throw new BalsaError('WIRE_MALFORMED', `a ${what} is not JSON`, { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw malformed(`a ${what} is not a JSON object`);
  return value as Record<string, unknown>;
}
