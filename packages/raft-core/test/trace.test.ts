/** The events of etcd's trace specification, as a run emits them. */
import { describe, expect, test } from 'vitest';
import { ConfChangeType, EmptyBytes, MessageType, type TraceEvent } from '../src/index.ts';
import { traceLine } from '../src/testing/index.ts';
import { bytes, Network } from './network/network.ts';

const names = [
  ...['InitState', 'BecomeFollower', 'BecomeCandidate', 'BecomeLeader', 'Commit', 'Replicate', 'ChangeConf'],
  ...['ApplyConfChange', 'Ready', 'SendAppendEntriesRequest', 'SendAppendEntriesResponse'],
  ...['ReceiveAppendEntriesRequest', 'ReceiveAppendEntriesResponse', 'SendRequestVoteRequest'],
  ...['SendRequestVoteResponse', 'ReceiveRequestVoteRequest', 'ReceiveRequestVoteResponse'],
  ...['SendSnapshot', 'ReceiveSnapshot'],
];

function traced(): { network: Network; events: TraceEvent[] } {
  const events: TraceEvent[] = [];
  const network = new Network({ blank: [4], config: { tracer: (event) => events.push(event) } });
  return { network, events };
}

/** Elects, replicates, compacts, adds a member by a snapshot, removes one, and changes leaders. */
function story(): { network: Network; events: TraceEvent[] } {
  const { network, events } = traced();
  network.elect(1);
  network.propose(1, 'a', 'b');
  network.member(1).compact(network.node(1).applied);
  for (const [type, nodeId] of [
    [ConfChangeType.AddNode, 4],
    [ConfChangeType.RemoveNode, 3],
  ] as const) {
    network.node(1).proposeConfChange({ version: 1, id: 0, type, nodeId, context: EmptyBytes });
    network.stabilize();
    network.heartbeat(1);
    network.heartbeat(1);
  }
  network.elect(2);
  network.propose(2, 'c');
  return { network, events };
}

describe('a traced run', () => {
  test('emits all nineteen events, and no others', () => {
    const { events } = story();
    expect([...new Set(events.map((event) => event.name))].sort()).toEqual([...names].sort());
  });

  test('shows of every event who, in which state, and with which members', () => {
    const { events } = story();
    const first = events.find((event) => event.name === 'BecomeLeader');
    // The leader's own empty entry is an event of its own, behind this one.
    expect(first).toEqual({
      name: 'BecomeLeader',
      nid: '1',
      state: { term: 1, vote: '1', commit: 1 },
      role: 'StateLeader',
      log: 1,
      applied: 1,
      conf: [['1', '2', '3'], []],
    });
    const at = events.indexOf(first as TraceEvent);
    expect(events[at + 1]).toMatchObject({ name: 'Replicate', nid: '1' });
  });

  test('shows of every message sent and received what it says', () => {
    const { events } = story();
    expect(events.find((e) => e.name === 'SendRequestVoteRequest')).toMatchObject({
      nid: '1',
      msg: { type: 'MsgVote', term: 1, from: '1', to: '2', index: 1, logTerm: 1, reject: false },
    });
    const sent = events.find((e) => e.name === 'SendAppendEntriesRequest' && e.msg?.type === 'MsgApp');
    expect(sent).toMatchObject({ msg: { entries: 1, index: 1, logTerm: 1, commit: 1 } });
    expect(sent?.prop).toEqual({ match: 1, next: 2 });
    // A snapshot is an append of everything up to its index.
    expect(events.find((e) => e.name === 'SendSnapshot')?.msg).toMatchObject({ index: 0, logTerm: 0 });
    expect(events.find((e) => e.name === 'ReceiveSnapshot')?.msg?.entries).toBeGreaterThan(3);
  });

  test('every message that was received had been sent, and no more often', () => {
    const { events } = story();
    const count = new Map<string, number>();
    for (const { name, msg } of events) {
      if (msg === undefined) continue;
      const key = JSON.stringify(msg);
      if (name.startsWith('Send')) count.set(key, (count.get(key) ?? 0) + 1);
      else {
        const left = (count.get(key) ?? 0) - 1;
        expect(left, key).toBeGreaterThanOrEqual(0);
        count.set(key, left);
      }
    }
  });

  test('a change of membership is traced when it is taken into the log, and when it takes effect', () => {
    const { events } = story();
    expect(events.filter((e) => e.name === 'ChangeConf').map((e) => e.prop?.cc?.changes)).toEqual([
      [{ nid: '4', action: 'AddNewServer' }],
      [{ nid: '3', action: 'RemoveServer' }],
    ]);
    const applied = events.filter((e) => e.name === 'ApplyConfChange' && e.nid === '1');
    expect(applied.map((e) => [e.conf[0], e.prop?.cc?.newconf])).toEqual([
      [[], ['1', '2', '3']],
      [
        ['1', '2', '3'],
        ['1', '2', '3', '4'],
      ],
      [
        ['1', '2', '3', '4'],
        ['1', '2', '4'],
      ],
    ]);
  });

  test('the state of one member never goes back: terms, and commits within its life', () => {
    const { events } = story();
    for (const nid of ['1', '2', '3', '4']) {
      const states = events.filter((e) => e.nid === nid).map((e) => e.state);
      for (const [i, state] of states.entries()) {
        expect(state.term).toBeGreaterThanOrEqual(states[i - 1]?.term ?? 0);
        expect(state.commit).toBeGreaterThanOrEqual(states[i - 1]?.commit ?? 0);
      }
    }
  });

  test('changes nothing: with and without a tracer the same messages are sent', () => {
    const run = (tracer: ((event: TraceEvent) => void) | undefined): string => {
      const network = new Network({ config: { tracer } });
      network.elect(1);
      network.propose(1, 'a');
      network.heartbeat(1);
      return JSON.stringify(network.sent);
    };
    expect(run(() => undefined)).toBe(run(undefined));
  });
});

describe('a trace line', () => {
  test('is one JSON object tagged for the checker, to which a snapshot is an append', () => {
    const { events } = story();
    const snapshot = events.find((e) => e.name === 'ReceiveSnapshot') as TraceEvent;
    const line = traceLine(snapshot);
    expect(line).not.toContain('\n');
    expect(JSON.parse(line)).toEqual({
      tag: 'trace',
      event: { ...snapshot, name: 'ReceiveAppendEntriesRequest' },
    });
    expect(JSON.parse(traceLine(snapshot, { ownNames: true })).event.name).toBe('ReceiveSnapshot');
    const other = events.find((e) => e.msg?.type === 'MsgVote') as TraceEvent;
    expect(JSON.parse(traceLine(other)).event).toEqual(other);
  });

  test('messages that the specification does not know are not traced', () => {
    const { network, events } = traced();
    network.elect(1);
    const before = events.length;
    network.node(1).readIndex(bytes('r'));
    network.node(1).transferLeader(2);
    const types = events.slice(before).map((e) => e.msg?.type);
    expect(types).not.toContain('MsgTimeoutNow');
    expect(network.node(1).status().leadTransferee).toBe(2);
    expect(MessageType.MsgTimeoutNow).toBeDefined();
  });
});
