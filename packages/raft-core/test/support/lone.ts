/** One member without a network: the test says what it hears and sees what it answers. */
import {
  EmptyHardState,
  Entry,
  Message,
  type ConfState,
  type HardState,
  type MessageFields,
  type MessageType,
  type NodeId,
  type RawNode,
  type RawNodeConfig,
  type Term,
} from '../../src/index.ts';
import { bytes, confStateOf, Disk, Member, seeded, text } from '../network/network.ts';

/** Does all that waits, in the order of a driver that is never interrupted; returns what went to others. */
export function settle(member: Member): Message[] {
  const out: Message[] = [];
  while (member.node.hasReady() || member.appends.length > 0 || member.applies.length > 0) {
    out.push(...member.takeReady());
    while (member.appends.length > 0) out.push(...member.doAppend());
    while (member.applies.length > 0) out.push(...member.doApply());
    while (member.answerFetch());
  }
  return out;
}

/** Entries of these terms from index `first` on, each with its place as payload. */
export function entriesOf(terms: readonly Term[], first: number): Entry[] {
  return terms.map((term, i) => {
    const index = first + i;
    return new Entry(term, index, 0, bytes(`${String(term)}/${String(index)}`));
  });
}

export interface LoneOptions {
  /** Default 1. */
  readonly id?: NodeId;
  /** Default 1, 2, 3. */
  readonly voters?: readonly NodeId[];
  readonly learners?: readonly NodeId[];
  readonly confState?: ConfState;
  /** The last entry that is compacted away; default (1, 1), at which clusters are founded. */
  readonly boundary?: { readonly index: number; readonly term: Term };
  /** The terms of the entries behind the boundary. */
  readonly terms?: readonly Term[];
  readonly hardState?: Partial<HardState>;
  readonly config?: Partial<RawNodeConfig>;
}

export class Lone {
  readonly member: Member;

  constructor(options: LoneOptions = {}) {
    const boundary = options.boundary ?? { index: 1, term: 1 };
    const disk = new Disk(options.confState ?? confStateOf(options.voters ?? [1, 2, 3], options.learners));
    if (boundary.index > 0) disk.outline.reset(boundary);
    disk.applied = boundary.index;
    disk.append(entriesOf(options.terms ?? [], boundary.index + 1));
    const term = Math.max(boundary.term, ...(options.terms ?? []));
    disk.hardState = { ...EmptyHardState, term, commit: boundary.index, ...options.hardState };
    const id = options.id ?? 1;
    this.member = new Member(
      { id, random: seeded(id), electionTick: 10, preVote: false, checkQuorum: false, ...options.config },
      disk,
    );
  }

  get node(): RawNode {
    return this.member.node;
  }

  get disk(): Disk {
    return this.member.disk;
  }

  /** Steps one message to this member and does what follows; returns what it sends. */
  hear(type: MessageType, fields: MessageFields): Message[] {
    this.member.step(new Message(type, { to: this.member.id, ...fields }));
    return settle(this.member);
  }

  settle(): Message[] {
    return settle(this.member);
  }

  tick(times = 1): Message[] {
    for (let i = 0; i < times; i++) this.node.tick();
    return settle(this.member);
  }

  propose(payload: string): Message[] {
    this.node.propose(bytes(payload));
    return settle(this.member);
  }

  /** Terms of the entries on disk behind the boundary. */
  terms(): Term[] {
    return this.disk.entries.map((entry) => entry.term);
  }

  /** Payloads applied, in order. */
  applied(): string[] {
    return this.disk.state;
  }

  payloads(): string[] {
    return this.disk.entries.map((entry) => text(entry.data));
  }
}
