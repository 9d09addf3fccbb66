/** Fills a group's log before something else is measured. */
import type { OpenedStore } from './opened.ts';
import type { GroupWriter } from './group-writer.ts';

const atOnce = 256;

/** Entries 2 to `entries` + 1 hold payloads. */
export async function preload(
  store: OpenedStore,
  group: string,
  { entries, payloadBytes }: { readonly entries: number; readonly payloadBytes: number },
  signal: AbortSignal,
): Promise<GroupWriter> {
  const writer = await store.writer(group, payloadBytes);
  for (let left = entries; left > 0; left -= atOnce) {
    signal.throwIfAborted();
    await writer.append(Math.min(atOnce, left));
  }
  return writer;
}
