/** What an entry does, in few words. */
import {
  ConfChangeType,
  decodeConfChange,
  EntryType,
  isBalsaError,
  type ConfChange,
  type Entry,
} from '@balsa/raft-core';
import { decodeCommand, type KvCommand } from '@balsa/kv';
import { decodeConfContext, payloadOf } from '@balsa/raft-node';
import type { EntryReport } from './report.ts';

const longestText = 40;
const longestHex = 16;

export function describeEntry(entry: Entry): EntryReport {
  const { index, term, type, data, context } = entry;
  return {
    index,
    term,
    type: type === EntryType.Normal ? 'normal' : 'conf-change',
    bytes: data.length + context.length,
    does: type === EntryType.Normal ? describeNormal(data, index) : describeChange(type, data),
  };
}

function describeNormal(data: Uint8Array, index: number): string {
  if (data.length === 0) return 'nothing: begins a term';
  const payload = attempt(() => payloadOf(data, index));
  const command = payload && attempt(() => decodeCommand(payload));
  return command === undefined ? preview(payload ?? data) : describeCommand(command);
}

/** Undefined for bytes that are of somebody else, which is no error here. */
function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (isBalsaError(error)) return undefined;
    throw error;
  }
}

function describeCommand(command: KvCommand): string {
  switch (command.op) {
    case 'set': {
      const { condition } = command;
      const only =
        typeof condition === 'object'
          ? ` if it is ${preview(condition.ifeq)}`
          : { always: '', nx: ' if absent', xx: ' if present' }[condition];
      return `SET ${preview(command.key)} ${preview(command.value)}${only}`;
    }
    case 'del':
      return `DEL ${several(command.keys.map((key) => preview(key)))}`;
    case 'incrby':
      return `INCRBY ${preview(command.key)} ${String(command.delta)}`;
    case 'append':
      return `APPEND ${preview(command.key)} ${preview(command.value)}`;
    case 'mset':
      return `MSET ${several(command.pairs.map(([key, value]) => `${preview(key)} ${preview(value)}`))}`;
  }
}

function several(texts: readonly string[]): string {
  const [some, more] = [texts.slice(0, 3).join(' '), texts.length - 3];
  return more > 0 ? `${some} and ${more} more` : some;
}

const changeWords: Readonly<Record<ConfChangeType, string>> = {
  [ConfChangeType.AddNode]: 'add voter',
  [ConfChangeType.RemoveNode]: 'remove',
  [ConfChangeType.UpdateNode]: 'update',
  [ConfChangeType.AddLearnerNode]: 'add learner',
};

function describeChange(
  type: typeof EntryType.ConfChange | typeof EntryType.ConfChangeV2,
  data: Uint8Array,
): string {
  const change = attempt(() => decodeConfChange(type, data));
  if (change === undefined) return `a membership change that cannot be read: ${preview(data)}`;
  const singles = change.version === 1 ? [change] : change.changes;
  if (singles.length === 0) return 'leave the joint membership';
  const addresses = addressesIn(change);
  return singles
    .map((single) => `${changeWords[single.type]} ${single.nodeId}${addresses.get(single.nodeId) ?? ''}`)
    .join(', ');
}

function addressesIn({ context }: ConfChange): ReadonlyMap<number, string> {
  const members = attempt(() => decodeConfContext(context))?.members ?? [];
  return new Map(members.map(({ id, address }) => [id, ` (${address})`]));
}

/** Text in quotes where it is text, else hexadecimal digits; cut, with the whole length, when it is long. */
export function preview(bytes: Uint8Array): string {
  const text = textOf(bytes);
  if (text === undefined) {
    const digits = Buffer.from(bytes.subarray(0, longestHex)).toString('hex');
    return bytes.length <= longestHex ? `0x${digits}` : `0x${digits}... (${bytes.length} B)`;
  }
  const characters = Array.from(text);
  if (characters.length <= longestText) return JSON.stringify(text);
  return `${JSON.stringify(characters.slice(0, longestText).join(''))}... (${bytes.length} B)`;
}

/** More is never shown, so that more is not looked at. */
function textOf(bytes: Uint8Array): string | undefined {
  const head = bytes.subarray(0, 8 * longestText);
  const decoder = new TextDecoder('utf-8', { fatal: true });
  try {
    // The cut may stand within a character.
    const text = decoder.decode(head, { stream: head.length < bytes.length });
    return /[\p{Cc}\p{Cs}\p{Co}\p{Cn}\p{Cf}\p{Zl}\p{Zp}]/u.test(text) ? undefined : text;
  } catch {
    return undefined;
  }
}
