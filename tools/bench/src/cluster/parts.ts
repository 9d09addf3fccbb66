/** A profile of a node, summed up by the parts of it in which the time went. */
import type { Profiler } from 'node:inspector';

type Node = Profiler.ProfileNode;

/** Names that V8 gives to what is no function. */
const special: ReadonlyMap<string, string> = new Map([
  ['(idle)', 'waiting for work'],
  ['(garbage collector)', 'garbage collection'],
  ['(program)', 'native code without a name'],
  ['(root)', 'native code without a name'],
]);

/** Of Node's streams: what hands bytes to the operating system. */
const socketWrites: ReadonlySet<string> = new Set([
  'writeBuffer',
  'writev',
  'writeLatin1String',
  'writeUtf8String',
]);

const stateFiles = /\/(ordered|state)-[a-z]+\.[jt]s$/;

function isNative(node: Node): boolean {
  return node.callFrame.url === '';
}

/** Of Node's calls on files: what they do, a sync for one, is done for who called them. */
function isOfFiles(node: Node): boolean {
  return /^node:(?:internal\/)?fs\b/.test(node.callFrame.url);
}

/** `parents` from the function itself to its outermost caller. */
function partOf(parents: readonly Node[]): string {
  const [self] = parents;
  if (self === undefined) return 'others';
  const { functionName } = self.callFrame;
  const known = special.get(functionName);
  if (known !== undefined) return known;
  const toFile = parents.some(isOfFiles);
  if (isNative(self) && socketWrites.has(functionName) && !toFile) return 'socket writes';
  // Native code belongs to who called it.
  const place = parents.find((node) => !isNative(node) && !isOfFiles(node))?.callFrame.url ?? '';
  if (place.startsWith('node:')) return "Node's own JavaScript";
  const room = /(?:packages|@balsa)\/([a-z-]+)\//.exec(place)?.[1];
  const isStorage = room?.startsWith('storage-') === true || /better-sqlite3|rocksdb|ioredis/.test(place);
  if (!isStorage) return room ?? 'others';
  const ofState = parents.some(({ callFrame }) => stateFiles.test(callFrame.url));
  return ofState ? "storage: the state machine's store" : 'storage: the log, its syncs included';
}

/** Shares of the profile's time, from 0 to 1, largest first. */
export function partsOf(profile: Profiler.Profile): { readonly name: string; readonly share: number }[] {
  const byId = new Map(profile.nodes.map((node) => [node.id, node]));
  const parentOf = new Map<number, Node>();
  for (const node of profile.nodes) for (const child of node.children ?? []) parentOf.set(child, node);
  const times = new Map<number, number>();
  (profile.samples ?? []).forEach((id, i) => {
    times.set(id, (times.get(id) ?? 0) + (profile.timeDeltas?.[i] ?? 0));
  });
  const parts = new Map<string, number>();
  let total = 0;
  for (const [id, time] of times) {
    const parents: Node[] = [];
    for (let node = byId.get(id); node !== undefined; node = parentOf.get(node.id)) parents.push(node);
    // What the profiler itself takes is no work of the node.
    if (parents.some(({ callFrame }) => callFrame.url.startsWith('node:inspector'))) continue;
    const part = partOf(parents);
    parts.set(part, (parts.get(part) ?? 0) + time);
    total += time;
  }
  return [...parts]
    .map(([name, time]) => ({ name, share: time / Math.max(total, 1) }))
    .sort((a, b) => b.share - a.share);
}
