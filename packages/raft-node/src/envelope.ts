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
import { BalsaError, type LogIndex } from '@balsa/raft-core';
import { isBytes, notBytes } from './bytes.ts';

export const envelopeVersion = 1;
/** Bytes in front of the payload as this version writes it. */
export const envelopeBytes = 18;

const flagSession = 1;
const flagTime = 2;
const incarnationAt = 2;
const counterAt = 10;

/** Memory that small envelopes share. */
const slabBytes = 64 * 1024;
const largestShared = 4 * 1024;
let slab = new ArrayBuffer(0);
let slabUsed = 0;

/**
 * Memory of its own costs a small envelope more than all that is done to it. Those that share a slab were proposed one
 * after another: they stand together in the log, and leave its cache together.
 */
function takeBytes(length: number): Uint8Array {
  if (length > largestShared) return new Uint8Array(length);
  if (slabUsed + length > slab.byteLength) {
    slab = new ArrayBuffer(slabBytes);
    slabUsed = 0;
  }
  const bytes = new Uint8Array(slab, slabUsed, length);
  slabUsed += length;
  return bytes;
}

/** `incarnation` is eight bytes, random per run; `counter` is unique within the run. */
export function encodeEnvelope(incarnation: Uint8Array, counter: number, payload: Uint8Array): Uint8Array {
  if (!isBytes(payload)) throw new BalsaError('INVALID_ARGUMENT', notBytes(payload, 'what is proposed'));
  const bytes = takeBytes(envelopeBytes + payload.length);
  bytes[0] = envelopeVersion;
  for (let i = 0; i < 8; i++) bytes[incarnationAt + i] = incarnation[i] ?? 0;
  let high = Math.floor(counter / 0x1_0000_0000);
  let low = counter >>> 0;
  for (let i = 3; i >= 0; i--) {
    bytes[counterAt + i] = high;
    bytes[counterAt + 4 + i] = low;
    high >>>= 8;
    low >>>= 8;
  }
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
  return new Uint8Array(data.buffer, data.byteOffset + length, data.length - length);
}

/** The counter, when the entry was proposed by the run with this incarnation. */
export function ownCounter(data: Uint8Array, incarnation: Uint8Array): number | undefined {
  if (data.length < envelopeBytes || data[0] !== envelopeVersion) return undefined;
  for (let i = 0; i < 8; i++) if (data[incarnationAt + i] !== incarnation[i]) return undefined;
  let counter = 0;
  for (let i = 0; i < 8; i++) counter = counter * 256 + (data[counterAt + i] ?? 0);
  return counter;
}
