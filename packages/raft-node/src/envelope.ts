/**
 * What stands before the payload of every replicated command.
 *
 * Byte 0 is the version (1), byte 1 flags, bytes 2 to 17 the proposal id: the incarnation of the proposing
 * run (8 bytes) and a counter (8 bytes). Flag 1: a client session and sequence follow (8 bytes each).
 * Flag 2: the leader's time follows (8 bytes). Both are reserved and not written yet. Then the payload.
 *
 * What a node does not know, version or flag, is committed all the same and would be skipped by this
 * node only: replicas would differ. So it stops the node (`UNKNOWN_COMMAND_VERSION`).
 */
import { BalsaError, readSafeInteger, writeSafeInteger, type LogIndex } from '@balsa/raft-core';

export const envelopeVersion = 1;
/** Bytes in front of the payload as this version writes it. */
export const envelopeBytes = 18;

const flagSession = 1;
const flagTime = 2;

/** `incarnation` is eight bytes, random per run; `counter` is unique within the run. */
export function encodeEnvelope(incarnation: Uint8Array, counter: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(envelopeBytes + payload.length);
  bytes[0] = envelopeVersion;
  bytes.set(incarnation, 2);
  writeSafeInteger(new DataView(bytes.buffer), 10, counter);
  bytes.set(payload, envelopeBytes);
  return bytes;
}

/** The payload of a committed entry at `index`. Shares memory with `data`. */
export function payloadOf(data: Uint8Array, index: LogIndex): Uint8Array {
  const flags = data[1] ?? 0;
  const length = envelopeBytes + ((flags & flagSession) === 0 ? 0 : 16) + ((flags & flagTime) === 0 ? 0 : 8);
  if (data[0] !== envelopeVersion || (flags & ~(flagSession | flagTime)) !== 0 || data.length < length) {
    throw new BalsaError(
      'UNKNOWN_COMMAND_VERSION',
      `the committed entry at index ${String(index)} has envelope version ${String(data[0])} and flags ${String(flags)}, this node reads version ${String(envelopeVersion)}`,
      { details: { index, version: data[0], flags } },
    );
  }
  return data.subarray(length);
}

/** The counter, when the entry was proposed by the run with this incarnation. */
export function ownCounter(data: Uint8Array, incarnation: Uint8Array): number | undefined {
  if (data.length < envelopeBytes || data[0] !== envelopeVersion) return undefined;
  for (let i = 0; i < 8; i++) if (data[i + 2] !== incarnation[i]) return undefined;
  return readSafeInteger(new DataView(data.buffer, data.byteOffset, data.byteLength), 10);
}
