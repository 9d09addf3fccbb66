/** What the runtime writes into the context of a membership change: who proposed it, and addresses of new members. */
import type { NodeId } from '@balsa/raft-core';
import { ByteReader, ByteWriter } from './bytes.ts';
import type { Member } from './options.ts';

export interface ConfContext {
  /** Eight bytes. */
  readonly incarnation: Uint8Array;
  readonly counter: number;
  readonly members: readonly Member[];
}

const version = 1;

export function encodeConfContext(context: ConfContext): Uint8Array {
  const writer = new ByteWriter().u8(version).raw(context.incarnation).u64(context.counter);
  writeMembers(writer, context.members);
  return writer.finish();
}

/** Undefined for a change that this runtime did not propose, such as the core's own leaving of a joint configuration. */
export function decodeConfContext(bytes: Uint8Array): ConfContext | undefined {
  if (bytes.length === 0 || bytes[0] !== version) return undefined;
  const reader = new ByteReader(bytes, 'context of a membership change');
  reader.u8();
  return { incarnation: reader.raw(8), counter: reader.u64(), members: readMembers(reader) };
}

export function writeMembers(writer: ByteWriter, members: readonly Member[]): void {
  writer.u32(members.length);
  for (const member of members) writer.u64(member.id).text(member.address);
}

export function readMembers(reader: ByteReader): Member[] {
  const members: Member[] = [];
  for (let n = reader.count(12); n > 0; n--) members.push({ id: reader.u64(), address: reader.text() });
  return members;
}

export function writeIds(writer: ByteWriter, ids: readonly NodeId[]): void {
  writer.u32(ids.length);
  for (const id of ids) writer.u64(id);
}

export function readIds(reader: ByteReader): NodeId[] {
  const ids: NodeId[] = [];
  for (let n = reader.count(8); n > 0; n--) ids.push(reader.u64());
  return ids;
}
