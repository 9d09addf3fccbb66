/** Copies messages as a real wire would: nothing shared, and nothing that never leaves a node. */
import {
  decodeMessage,
  EmptyBytes,
  encodeMessage,
  messageSize,
  type ConfState,
  type Message,
} from '@balsa/raft-core';

/** Encodes it in a buffer of its own. Throws `OUT_OF_RANGE` for what no wire could carry. */
export function wireForm(message: Message): Uint8Array {
  const bytes = new Uint8Array(messageSize(message));
  encodeMessage(message, bytes, 0);
  return bytes;
}

/** By the wire form, so that whatever is lost or refused between processes is so here. Throws `OUT_OF_RANGE`. */
export function cloneMessage(message: Message): Message {
  return decodeMessage(wireForm(message));
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
