/**
 * The control frames of the runtime: proposals that a follower forwards, the leader's answers, the
 * address book for a member that has nothing yet, and who a node is.
 *
 * A frame travels on one connection, once. What is lost with the connection is never sent again.
 */
import {
  errorRegistry,
  type ConfChangeSingle,
  type ErrorCode,
  type LogIndex,
  type NodeId,
  type Term,
} from '@balsa/raft-core';
import { ByteReader, ByteWriter } from './bytes.ts';
import { readMembers, writeMembers } from './conf-context.ts';
import type { Member } from './options.ts';

/** What is proposed: a command in its envelope, or a membership change with its context. */
export type ProposalBody =
  | { readonly kind: 'command'; readonly data: Uint8Array }
  | { readonly kind: 'change'; readonly changes: readonly ConfChangeSingle[]; readonly context: Uint8Array };

export type ControlFrame =
  | {
      readonly type: 'propose';
      readonly proposals: readonly { readonly counter: number; readonly body: ProposalBody }[];
    }
  | {
      readonly type: 'accepted';
      readonly term: Term;
      readonly places: readonly { readonly counter: number; readonly index: LogIndex }[];
    }
  | {
      readonly type: 'refused';
      readonly counters: readonly number[];
      readonly code: ErrorCode;
      readonly text: string;
      readonly leader: NodeId;
    }
  | { readonly type: 'members'; readonly members: readonly Member[] }
  | { readonly type: 'hello'; readonly incarnation: string };

const version = 1;
const types = { propose: 1, accepted: 2, refused: 3, members: 4, hello: 5 } as const;

export function bodySize(body: ProposalBody): number {
  return body.kind === 'command' ? body.data.length : body.context.length + 16 * body.changes.length;
}

export function encodeFrame(frame: ControlFrame): Uint8Array {
  const writer = new ByteWriter().u8(version).u8(types[frame.type]);
  switch (frame.type) {
    case 'propose':
      writer.u32(frame.proposals.length);
      for (const { counter, body } of frame.proposals) {
        writer.u64(counter);
        writeBody(writer, body);
      }
      break;
    case 'accepted':
      writer.u64(frame.term).u32(frame.places.length);
      for (const place of frame.places) writer.u64(place.counter).u64(place.index);
      break;
    case 'refused':
      writer.u32(frame.counters.length);
      for (const counter of frame.counters) writer.u64(counter);
      writer.text(frame.code).text(frame.text).u64(frame.leader);
      break;
    case 'members':
      writeMembers(writer, frame.members);
      break;
    case 'hello':
      writer.text(frame.incarnation);
      break;
  }
  return writer.finish();
}

/** Throws `WIRE_MALFORMED`: frames come from peers. */
export function decodeFrame(bytes: Uint8Array): ControlFrame {
  const reader = new ByteReader(bytes, 'control frame');
  const found = reader.u8();
  if (found !== version) throw reader.malformed(`version ${String(found)} is not known`);
  const frame = decodeBody(reader, reader.u8());
  reader.end();
  return frame;
}

function decodeBody(reader: ByteReader, type: number): ControlFrame {
  switch (type) {
    case types.propose: {
      const proposals = [];
      for (let n = reader.count(13); n > 0; n--)
        proposals.push({ counter: reader.u64(), body: readBody(reader) });
      return { type: 'propose', proposals };
    }
    case types.accepted: {
      const term = reader.u64();
      const places = [];
      for (let n = reader.count(16); n > 0; n--) places.push({ counter: reader.u64(), index: reader.u64() });
      return { type: 'accepted', term, places };
    }
    case types.refused: {
      const counters: number[] = [];
      for (let n = reader.count(8); n > 0; n--) counters.push(reader.u64());
      return { type: 'refused', counters, code: readCode(reader), text: reader.text(), leader: reader.u64() };
    }
    case types.members:
      return { type: 'members', members: readMembers(reader) };
    case types.hello:
      return { type: 'hello', incarnation: reader.text() };
    default:
      throw reader.malformed(`type ${String(type)} is not known`);
  }
}

function writeBody(writer: ByteWriter, body: ProposalBody): void {
  if (body.kind === 'command') {
    writer.u8(0).bytes(body.data);
    return;
  }
  writer.u8(1).u32(body.changes.length);
  for (const change of body.changes) writer.u8(change.type).u64(change.nodeId);
  writer.bytes(body.context);
}

function readBody(reader: ByteReader): ProposalBody {
  const kind = reader.u8();
  if (kind === 0) return { kind: 'command', data: reader.bytes() };
  if (kind !== 1) throw reader.malformed(`proposal of kind ${String(kind)} is not known`);
  const changes: ConfChangeSingle[] = [];
  for (let n = reader.count(9); n > 0; n--) {
    const type = reader.u8();
    if (type !== 0 && type !== 1 && type !== 2 && type !== 3)
      throw reader.malformed(`change of type ${String(type)} is not known`);
    changes.push({ type, nodeId: reader.u64() });
  }
  return { kind: 'change', changes, context: reader.bytes() };
}

/** A code that a newer leader knows and this node does not counts as a plain refusal. */
function readCode(reader: ByteReader): ErrorCode {
  const code = reader.text();
  return Object.hasOwn(errorRegistry, code) ? (code as ErrorCode) : 'PROPOSAL_DROPPED';
}
