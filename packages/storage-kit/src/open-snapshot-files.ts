/** The snapshots of a group that is being opened, where they are files. */
import { LogLevel, type Env } from '@balsa/raft-core';
import type { LogState } from './log-state.ts';
import type { SnapshotDirectory, SnapshotFiles } from './snapshot-files.ts';
import { corrupt } from './store-errors.ts';

export interface SnapshotPlace {
  readonly groupId: string;
  readonly env: Env;
  readonly snapshots: SnapshotDirectory;
}

/**
 * The snapshot files of a group whose log is `state`; `beforeCommit` runs before a finished one gets its name.
 *
 * A damaged snapshot file is passed over, and said aloud, as long as an intact one reaches the log's
 * boundary or the log reaches back to its beginning; otherwise state could be missing, and opening is refused.
 */
export async function openSnapshotFiles(
  { groupId, env, snapshots }: SnapshotPlace,
  state: LogState,
  beforeCommit: () => Promise<void>,
): Promise<SnapshotFiles> {
  const files = await snapshots.group(groupId, beforeCommit);
  const boundary = state.outline.boundary.index;
  const covered = boundary === 0 || files.list().some((stored) => stored.metadata.index >= boundary);
  for (const { name, error } of files.damaged()) {
    if (!covered) {
      throw corrupt(
        `snapshot file ${name} is damaged, and no intact snapshot reaches index ${String(boundary)} where the log begins`,
        { file: name, boundary },
        error,
      );
    }
    env.log.log(LogLevel.Error, `snapshot file ${name} is damaged and is ignored`, { file: name, error });
  }
  return files;
}
