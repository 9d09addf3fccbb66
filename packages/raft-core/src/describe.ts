/** Messages, entries and Readys for people, in the words of etcd's transcripts. */
import { asV2, formatConfChanges } from './conf-change/conf-change.ts';
import { decodeConfChange } from './codec/conf-change.ts';
import type { ReadState, Ready } from './core.ts';
import { LocalAppendThread, LocalApplyThread, MessageType, type Message } from './message.ts';
import {
  EntryType,
  None,
  type ConfState,
  type Entry,
  type HardState,
  type NodeId,
  type Snapshot,
  type SoftState,
} from './types.ts';
import { messageTypeName, stateTypeName } from './names.ts';
import { quoted } from './go-text.ts';

const entryNames = Object.keys(EntryType);

/** The message type of a name such as `MsgApp`; undefined for any other text. */
export function messageTypeOf(name: string): MessageType | undefined {
  return Object.entries(MessageType).find(([key]) => key === name)?.[1];
}

/** Hexadecimal; storage threads and nobody by name. */
export function describeTarget(id: NodeId): string {
  if (id === None) return 'None';
  if (id === LocalAppendThread) return 'AppendThread';
  return id === LocalApplyThread ? 'ApplyThread' : id.toString(16);
}

/** Shows a payload as text; Go's `%q` where none is given. */
export type PayloadFormatter = (data: Uint8Array) => string;

/** Throws `WIRE_MALFORMED` for a membership change that cannot be read. */
export function describeEntry(entry: Entry, format: PayloadFormatter = quoted): string {
  const head = `${String(entry.term)}/${String(entry.index)} Entry${entryNames[entry.type] ?? '?'}`;
  const payload =
    entry.type === EntryType.Normal
      ? format(entry.data)
      : formatConfChanges(asV2(decodeConfChange(entry.type, entry.data)).changes);
  return payload === '' ? head : `${head} ${payload}`;
}

/** One line for each. */
export function describeEntries(entries: readonly Entry[], format: PayloadFormatter = quoted): string {
  return entries.map((entry) => `${describeEntry(entry, format)}\n`).join('');
}

const list = (ids: readonly NodeId[]): string => `[${ids.join(' ')}]`;

export function describeConfState(cs: ConfState): string {
  return (
    `Voters:${list(cs.voters)} VotersOutgoing:${list(cs.votersOutgoing)} Learners:${list(cs.learners)} ` +
    `LearnersNext:${list(cs.learnersNext)} AutoLeave:${String(cs.autoLeave)}`
  );
}

/** Without its data. */
export function describeSnapshot({ metadata }: Snapshot): string {
  return `Index:${String(metadata.index)} Term:${String(metadata.term)} ConfState:${describeConfState(metadata.confState)}`;
}

export function describeHardState(hardState: HardState): string {
  const vote = hardState.vote === None ? '' : ` Vote:${String(hardState.vote)}`;
  return `Term:${String(hardState.term)}${vote} Commit:${String(hardState.commit)}`;
}

export function describeSoftState({ leader, state }: SoftState): string {
  return `Lead:${String(leader)} State:${stateTypeName(state)}`;
}

function describeReadStates(states: readonly ReadState[]): string {
  return `[${states.map((s) => `{${String(s.index)} [${s.context.join(' ')}]}`).join(' ')}]`;
}

/** Without a final newline. `indent` stands before every line. */
export function describeMessage(message: Message, indent = ''): string {
  let text = `${indent}${describeTarget(message.from)}->${describeTarget(message.to)} `;
  text += `${messageTypeName(message.type)} Term:${String(message.term)} `;
  text += `Log:${String(message.logTerm)}/${String(message.index)}`;
  if (message.reject) text += ` Rejected (Hint: ${String(message.rejectHint)})`;
  if (message.commit !== 0) text += ` Commit:${String(message.commit)}`;
  if (message.commitTerm !== 0) text += ` CommitTerm:${String(message.commitTerm)}`;
  if (message.requestSnapshot !== 0) text += ` RequestSnapshot:${String(message.requestSnapshot)}`;
  if (message.priority !== 0) text += ` Priority:${String(message.priority)}`;
  if (message.vote !== None) text += ` Vote:${String(message.vote)}`;
  const [first, second] = message.entries;
  if (second !== undefined) {
    text += ` Entries:[${message.entries.map((e) => `\n${indent}  ${describeEntry(e)}`).join('')}\n${indent}]`;
  } else if (first !== undefined) text += ` Entries:[${describeEntry(first)}]`;
  if (message.snapshot !== undefined && message.snapshot.metadata.index !== 0) {
    text += `\n${indent}  Snapshot: ${describeSnapshot(message.snapshot)}`;
  }
  if (message.responses.length > 0) {
    const responses = message.responses.map((m) => `\n${describeMessage(m, `${indent}  `)}`).join('');
    text += ` Responses:[${responses}\n${indent}]`;
  }
  return text;
}

/** One line or more for each. */
export function describeMessages(messages: readonly Message[]): string {
  return messages.map((message) => `${describeMessage(message)}\n`).join('');
}

/** With a newline after each line, but for `<empty Ready>`. */
export function describeReady(ready: Ready): string {
  let text = '';
  if (ready.softState !== undefined) text += `${describeSoftState(ready.softState)}\n`;
  if (ready.hardState !== undefined) text += `HardState ${describeHardState(ready.hardState)}\n`;
  if (ready.readStates.length > 0) text += `ReadStates ${describeReadStates(ready.readStates)}\n`;
  if (ready.entries.length > 0) text += `Entries:\n${describeEntries(ready.entries)}`;
  if (ready.snapshot !== undefined) text += `Snapshot ${describeSnapshot(ready.snapshot)}\n`;
  if (ready.committedEntries.length > 0) {
    text += `CommittedEntries:\n${describeEntries(ready.committedEntries)}`;
  }
  if (ready.messages.length > 0) text += `Messages:\n${describeMessages(ready.messages)}`;
  return text === '' ? '<empty Ready>' : `Ready MustSync=${String(ready.mustSync)}:\n${text}`;
}
