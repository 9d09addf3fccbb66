/**
 * The Ready loop on raft-core alone: three nodes in one process elect a leader and replicate two commands, first in
 * the synchronous mode, then in the asynchronous one. Arrays stand for disks and an array stands for the network.
 *
 *   node examples/dist/ready-loop.js
 */
import {
  LocalAppendThread,
  LocalApplyThread,
  RawNode,
  StateType,
  decodeConfChange,
  EntryType,
} from '@balsa/raft-core';
import type { ConfState, Entry, Fetch, HardState, Message, RaftInitialState } from '@balsa/raft-core';

const founders: ConfState = {
  voters: [1, 2, 3],
  votersOutgoing: [],
  learners: [],
  learnersNext: [],
  autoLeave: false,
};
/** Every founder starts from the same place: the membership at index 1, and no entries behind it. */
const first = 2;
const founded: RaftInitialState = {
  hardState: { term: 1, vote: 0, commit: 1 },
  confState: founders,
  outline: { boundary: { index: 1, term: 1 }, runs: [], confIndexes: [], lastIndex: 1 },
};

/** One member: the core, and what a real program keeps on disk. */
class Member {
  readonly core: RawNode;
  readonly entries: Entry[] = [];
  hardState: HardState = founded.hardState;
  /** The state machine: here, what was said, in order. */
  readonly said: string[] = [];

  constructor(id: number, asyncStorageWrites: boolean) {
    this.core = new RawNode({ id, random: Math.random, asyncStorageWrites }, founded);
  }

  /** Must be durable when it returns (here, nothing is). No snapshots are ever sent in this program. */
  persist(entries: readonly Entry[], hardState: HardState | undefined): void {
    const [head] = entries;
    if (head !== undefined) this.entries.splice(head.index - first, Infinity, ...entries);
    if (hardState !== undefined) this.hardState = hardState;
  }

  apply(entries: readonly Entry[]): void {
    for (const { type, data } of entries) {
      if (type !== EntryType.Normal) this.core.applyConfChange(decodeConfChange(type, data));
      else if (data.length > 0) this.said.push(new TextDecoder().decode(data));
    }
  }

  /** Entries that the core no longer has in memory. */
  answer(fetches: readonly Fetch[]): void {
    for (const fetch of fetches) {
      if (fetch.purpose === 'snapshot') this.core.fetchFailed(fetch.id, 'unavailable');
      else this.core.fetched(fetch.id, this.entries.slice(fetch.low - first, fetch.high - first));
    }
  }
}

/** Synchronous mode: persist, send, apply, advance. Returns what goes to other members. */
function workInOrder(member: Member): readonly Message[] {
  const ready = member.core.ready();
  member.persist(ready.entries, ready.hardState);
  member.apply(ready.committedEntries);
  member.core.advance(ready);
  member.answer(ready.fetches);
  return ready.messages;
}

/**
 * Asynchronous mode: storage work comes as messages, each with the responses to deliver once it is done. A real
 * program queues it and goes on; here it is done on the spot. Returns what goes to other members.
 */
function workByMessages(member: Member): readonly Message[] {
  const { messages, fetches } = member.core.ready();
  member.answer(fetches);
  return messages.flatMap((message) => {
    const { to, term, vote, commit, entries, responses } = message;
    if (to === LocalAppendThread) member.persist(entries, term === 0 ? undefined : { term, vote, commit });
    else if (to === LocalApplyThread) member.apply(entries);
    else return [message];
    for (const response of responses) if (response.to === member.core.id) member.core.step(response);
    return responses.filter((response) => response.to !== member.core.id);
  });
}

function run(mode: string, asyncStorageWrites: boolean): void {
  const members = founders.voters.map((id) => new Member(id, asyncStorageWrites));
  const work = asyncStorageWrites ? workByMessages : workInOrder;
  /** Everybody works and hears from the others until there is nothing left to do. */
  const settle = (): void => {
    while (members.some(({ core }) => core.hasReady())) {
      const sent = members.flatMap((member) => (member.core.hasReady() ? work(member) : []));
      for (const message of sent) members[message.to - 1]?.core.step(message);
    }
  };
  const leader = (): RawNode | undefined => members.find(({ core }) => core.state === StateType.Leader)?.core;

  // Time passes: whoever waits longest without hearing from a leader campaigns.
  while (leader() === undefined) {
    for (const { core } of members) core.tick();
    settle();
  }
  for (const text of ['hello', 'world']) leader()?.propose(new TextEncoder().encode(text));
  settle();
  for (const { core, said } of members) console.log(`${mode}: member ${core.id} says ${said.join(' ')}`);
}

run('synchronous', false);
run('asynchronous', true);
