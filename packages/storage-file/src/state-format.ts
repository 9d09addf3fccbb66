/** What a frame of an ordered store's files holds: one atomic batch. */
import type { LogIndex } from '@balsa/raft-core';
import { Builder, Parser } from './bytes.ts';
import { corrupt } from './errors.ts';

export const statePattern: RegExp = /^state-([0-9]{8})-([0-9]{8})\.dat$/;

export function stateName(generation: number, part: number): string {
  const digits = (value: number): string => String(value).padStart(8, '0');
  return `state-${digits(generation)}-${digits(part)}.dat`;
}

export type Change = readonly [key: Uint8Array, value: Uint8Array | undefined];

const deleted = 0xffff_ffff;

/** `synced`: the sequence up to which everything was durable when this frame was written. */
export function encodeBatch(changes: readonly Change[], appliedIndex: LogIndex, synced: number): Uint8Array {
  let bytes = 20;
  for (const [key, value] of changes) bytes += 8 + key.length + (value?.length ?? 0);
  const body = new Builder(bytes);
  body.int(synced);
  body.int(appliedIndex);
  body.u32(changes.length);
  for (const [key, value] of changes) {
    body.u32(key.length);
    body.u32(value === undefined ? deleted : value.length);
    body.raw(key);
    if (value !== undefined) body.raw(value);
  }
  return body.finish();
}

export function syncedOf(body: Uint8Array): number {
  return new Parser(body, 'a batch of an ordered store').int();
}

/** Keys and values are copies. */
export function decodeBatch(body: Uint8Array, take: (change: Change) => void): LogIndex {
  const parser = new Parser(body, 'a batch of an ordered store');
  parser.int();
  const appliedIndex = parser.int();
  const count = parser.u32();
  for (let i = 0; i < count; i++) {
    const [keyLength, valueLength] = [parser.u32(), parser.u32()];
    const key = parser.raw(keyLength).slice();
    take([key, valueLength === deleted ? undefined : parser.raw(valueLength).slice()]);
  }
  if (!parser.done) throw corrupt('a batch of an ordered store is longer than its changes');
  return appliedIndex;
}
