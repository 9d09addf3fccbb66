/** Trace events as the lines that etcd's trace checker reads. */
import type { TraceEvent } from '../trace.ts';

const asAppend: Readonly<Partial<Record<string, string>>> = {
  SendSnapshot: 'SendAppendEntriesRequest',
  ReceiveSnapshot: 'ReceiveAppendEntriesRequest',
};

/**
 * One line of NDJSON, without its newline. To the specification's checker a snapshot is an append of everything up
 * to its index, told apart by `msg.type`; with `ownNames` such events keep the names that say what they are.
 */
export function traceLine(event: TraceEvent, options: { readonly ownNames?: boolean } = {}): string {
  const name = options.ownNames === true ? event.name : (asAppend[event.name] ?? event.name);
  return JSON.stringify({ tag: 'trace', event: { ...event, name } });
}
