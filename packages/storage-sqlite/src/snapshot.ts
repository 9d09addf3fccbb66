/** A group's snapshot files, and what a damaged one means for its log. */
import { LogLevel, type Env } from '@balsa/raft-core';
import type { SnapshotDirectory, SnapshotFiles } from '@balsa/storage-kit';
import { corrupt } from './errors.ts';
import type { GroupLog } from './group-log.ts';

/**
 * A damaged snapshot file is skipped, and said aloud, as long as an intact one reaches the log's
 * boundary or the log reaches back to its beginning; otherwise state could be missing, and opening is refused.
 */
export async function openGroupSnapshots(
  directory: SnapshotDirectory,
  group: GroupLog,
  env: Env,
  beforeCommit: () => Promise<void>,
): Promise<SnapshotFiles> {
  const files = await directory.group(group.groupId, beforeCommit);
  const boundary = group.state.outline.boundary.index;
  const covered = boundary === 0 || files.list().some((stored) => stored.metadata.index >= boundary);
  for (const { name, error } of files.damaged()) {
    if (!covered) {
      throw corrupt(
        `snapshot file ${name} is damaged, and no intact snapshot reaches index ${String(boundary)} where the log begins`,
        { file: name, boundary, cause: error },
      );
    }
    env.log.log(LogLevel.Error, `snapshot file ${name} is damaged and is ignored`, { file: name, error });
  }
  return files;
}
