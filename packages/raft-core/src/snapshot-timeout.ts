/** A member must not wait for a snapshot for ever because nobody reported how its transfer ended. */
import { ProgressState } from './core.ts';
import { Message, MessageType } from './message.ts';
import { hex } from './names.ts';
import { leaderHandlers } from './step-leader.ts';
import type { Raft } from './raft.ts';

/** One tick of a leader: a transfer that takes `snapshotTimeoutTicks` counts as failed, and is tried again. */
export function tickSnapshots(raft: Raft): void {
  const limit = raft.config.snapshotTimeoutTicks;
  if (limit === 0) return;
  raft.tracker.visit((id, progress) => {
    if (progress.state !== ProgressState.Snapshot || ++progress.snapshotTicks < limit) return;
    if (raft.debugOn) {
      raft.debug(
        `${raft.name} snapshot to ${hex(id)} was not reported within ${String(limit)} ticks [${String(progress)}]`,
      );
    }
    const failed = new Message(MessageType.MsgSnapStatus, { from: id, reject: true });
    leaderHandlers[MessageType.MsgSnapStatus]?.(raft, failed);
  });
}
