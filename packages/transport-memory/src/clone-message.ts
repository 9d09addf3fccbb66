/** Copies a message as a real wire would: nothing shared, and nothing that never leaves a node. */
import { EmptyBytes, Entry, Message, type ConfState, type Snapshot } from '@balsa/raft-core';

/** What a message costs besides its payloads, in bytes; an estimate, for statistics and queue bounds. */
const messageOverheadBytes = 64;

export function cloneMessage(message: Message): Message {
  return new Message(message.type, {
    to: message.to,
    from: message.from,
    term: message.term,
    logTerm: message.logTerm,
    index: message.index,
    entries: message.entries.map(
      (entry) => new Entry(entry.term, entry.index, entry.type, cloneBytes(entry.data), cloneBytes(entry.context)),
    ),
    commit: message.commit,
    commitTerm: message.commitTerm,
    snapshot: message.snapshot === undefined ? undefined : cloneSnapshot(message.snapshot),
    reject: message.reject,
    rejectHint: message.rejectHint,
    context: cloneBytes(message.context),
    requestSnapshot: message.requestSnapshot,
    priority: message.priority,
  });
}

export function cloneBytes(bytes: Uint8Array): Uint8Array {
  return bytes.length === 0 ? EmptyBytes : Uint8Array.from(bytes);
}

export function cloneConfState(state: ConfState): ConfState {
  return {
    voters: [...state.voters],
    votersOutgoing: [...state.votersOutgoing],
    learners: [...state.learners],
    learnersNext: [...state.learnersNext],
    autoLeave: state.autoLeave,
  };
}

function cloneSnapshot(snapshot: Snapshot): Snapshot {
  const { index, term, confState } = snapshot.metadata;
  return { metadata: { index, term, confState: cloneConfState(confState) }, data: cloneBytes(snapshot.data) };
}

/** About what the message weighs on a wire, in bytes. */
export function approximateSize(message: Message): number {
  let size = messageOverheadBytes + message.context.length + (message.snapshot?.data.length ?? 0);
  for (const entry of message.entries) size += 24 + entry.data.length + entry.context.length;
  return size;
}
