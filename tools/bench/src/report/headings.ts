/** What each workload is called on pages, and what it does. */

export const headings: Readonly<Record<string, readonly [title: string, text: string]>> = {
  append: [
    'Durable appends',
    'Closed loop: every stream begins its next write when the last one is durable. All rows of a table took turns, slice by slice, within the same minute.',
  ],
  open: [
    'Appends that do not wait',
    'Open loop: entries arrive at a fixed rate, at random moments, and wait from then on. A stall is felt by all that arrive during it. What has arrived goes into the next write together.',
  ],
  read: [
    'Reads',
    'Sixty-four entries at a time. The floor reads the same bytes out of a file in the page cache.',
  ],
  snapshot: ['Snapshots', 'Beside appends of another group of the same store.'],
  compaction: ['Compaction', 'Appends go on while the log is compacted, as in a node.'],
  reopen: ['Opening', 'With a log in the store. A server of its own goes on running.'],
  cluster: [
    'A cluster of three processes',
    'Clients speak RESP to the leader, each with one SET under way; they share the machine with the nodes. Every SET is synced by two nodes before it is answered.',
  ],
  failover: ['Losing the leader', 'SIGKILL; then SETs are tried on the others until one is accepted.'],
};
