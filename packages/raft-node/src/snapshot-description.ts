/** What `Snapshot.data` carries: the description of the chunks beside the message, and the address book. */
import type { NodeId, StoredSnapshot } from '@balsa/raft-core';
import { ByteReader, ByteWriter } from './bytes.ts';
import { readIds, readMembers, writeIds, writeMembers } from './conf-context.ts';
import type { Member } from './options.ts';

export interface SnapshotDescription extends Pick<
  StoredSnapshot,
  'id' | 'chunkCount' | 'bytes' | 'checksum'
> {
  readonly members: readonly Member[];
  /** Ids that were members once and never come back. */
  readonly removed: readonly NodeId[];
}

const version = 1;

export function encodeDescription(description: SnapshotDescription): Uint8Array {
  const writer = new ByteWriter()
    .u8(version)
    .text(description.id)
    .u32(description.chunkCount)
    .u64(description.bytes)
    .u32(description.checksum);
  writeMembers(writer, description.members);
  writeIds(writer, description.removed);
  return writer.finish();
}

/** Throws `WIRE_MALFORMED`. */
export function decodeDescription(bytes: Uint8Array): SnapshotDescription {
  const reader = new ByteReader(bytes, 'description of a snapshot');
  const found = reader.u8();
  if (found !== version) throw reader.malformed(`version ${String(found)} is not known`);
  const description = {
    id: reader.text(),
    chunkCount: reader.u32(),
    bytes: reader.u64(),
    checksum: reader.u32(),
    members: readMembers(reader),
    removed: readIds(reader),
  };
  reader.end();
  return description;
}
