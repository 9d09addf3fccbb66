/** Giving space back, in slices that each hold the server up for a bounded time. */
import { encodeMove } from './format.ts';
import { readEntries } from './entry-reader.ts';
import type { GroupLog } from './group-log.ts';
import type { ReadRange } from './recovery.ts';
import type { Snapshots } from './snapshots.ts';

/** Segments removed at once: the server frees each while everybody waits. */
const segmentsAtOnce = 1;
/** Bytes that hold nothing live and are not worth moving what lies among them. */
const toleratedBytes = 4 * 1024 * 1024;
/** Bytes of entries moved at once. */
const movedBytes = 64 * 1024;

/** Does one slice for one group, or waits one slice by `pause`. True when more is left. */
export async function maintainGroup(
  group: GroupLog,
  snapshots: Snapshots,
  read: ReadRange,
  pause: () => Promise<boolean>,
): Promise<boolean> {
  const hasWork = group.deadSegments().length > 0 || snapshots.hasDoomed() || hasGaps(group);
  // What follows can wait, unlike others' writes that would have to wait for it.
  if (hasWork && (await pause())) return true;
  if (group.deadSegments().length > 0) {
    await group.removeSegments(segmentsAtOnce);
    return true;
  }
  if (await snapshots.maintain()) return true;
  return moveSome(group, read);
}

/** Whether more than half of the log is garbage that lies behind live entries. */
function hasGaps(group: GroupLog): boolean {
  const { firstIndex, lastIndex } = group.state.outline;
  const { liveBytes } = group.locations;
  return group.bytes - liveBytes >= Math.max(toleratedBytes, liveBytes) && firstIndex <= lastIndex;
}

/**
 * When more than half of the log is garbage that lies behind live entries, these are written anew at the end,
 * so that the segments at the beginning can go.
 */
async function moveSome(group: GroupLog, read: ReadRange): Promise<boolean> {
  if (!hasGaps(group)) return false;
  const { outline } = group.state;
  const [oldest] = group.segments.keys();
  const last = [...group.segments.keys()].at(-1);
  // The lowest entries that do not lie in the last segment already.
  let from = outline.firstIndex;
  while (from <= outline.lastIndex && group.locations.get(from).segment !== oldest) from++;
  if (from > outline.lastIndex || oldest === last) return false;
  let to = from;
  while (to <= outline.lastIndex && group.locations.get(to).segment === oldest) to++;
  const entries = await readEntries(read, group, from, to, movedBytes);
  await group.submit(() => {
    const { firstIndex, lastIndex } = group.state.outline;
    const still = entries.filter(
      ({ index, term }) =>
        index >= firstIndex &&
        index <= lastIndex &&
        group.state.outline.term(index) === term &&
        group.locations.get(index).segment === oldest,
    );
    if (still.length === 0) return undefined;
    let firstEntry = 0;
    return {
      encode: (sequence) => {
        const encoded = encodeMove(sequence, still, group.checksum);
        firstEntry = encoded.firstEntry;
        return encoded.record;
      },
      done: (segment, offset) => {
        group.moved(still, segment, offset + firstEntry);
      },
      syncWatermark: false,
    };
  });
  return true;
}
