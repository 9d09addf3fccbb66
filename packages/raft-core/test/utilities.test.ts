/** The small functions that etcd and raft-rs export beside the core. */
import { describe, expect, test } from 'vitest';
import {
  confStateEquivalent,
  ConfChangeTransition,
  describeConfChange,
  describeConfState,
  describeEntries,
  describeEntry,
  describeHardState,
  describeMessage,
  describeReady,
  describeSnapshot,
  describeSoftState,
  describeTarget,
  EmptyConfState,
  EmptyHardState,
  Entry,
  formatConfChanges,
  isBalsaError,
  isEmptyHardState,
  isEmptySnap,
  isHardStateEqual,
  isLocalMsg,
  isLocalMsgTarget,
  isResponseMsg,
  isSoftStateEqual,
  LocalAppendThread,
  LocalApplyThread,
  majority,
  Message,
  MessageType,
  messageTypeName,
  mustSync,
  parseConfChanges,
  statusToJson,
  voteRespMsgType,
} from '../src/index.ts';
import { bytes, confStateOf, Network } from './network/network.ts';

describe('kinds of messages', () => {
  const named = (test: (type: MessageType) => boolean): string[] =>
    Object.values(MessageType).filter(test).map(messageTypeName);

  test('isLocalMsg is true of the ten types that never cross the network', () => {
    expect(named(isLocalMsg)).toEqual([
      'MsgHup',
      'MsgBeat',
      'MsgUnreachable',
      'MsgSnapStatus',
      'MsgCheckQuorum',
      'MsgStorageAppend',
      'MsgStorageAppendResp',
      'MsgStorageApply',
      'MsgStorageApplyResp',
      'MsgForgetLeader',
    ]);
  });

  test('isResponseMsg is true of answers of members and of storage threads', () => {
    expect(named(isResponseMsg)).toEqual([
      'MsgAppResp',
      'MsgVoteResp',
      'MsgHeartbeatResp',
      'MsgReadIndexResp',
      'MsgPreVoteResp',
      'MsgStorageAppendResp',
      'MsgStorageApplyResp',
    ]);
  });

  test('isLocalMsgTarget is true of the two storage threads', () => {
    expect([LocalAppendThread, LocalApplyThread, 1, 0].map(isLocalMsgTarget)).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });

  test('voteRespMsgType answers vote requests, and nothing else', () => {
    expect(voteRespMsgType(MessageType.MsgVote)).toBe(MessageType.MsgVoteResp);
    expect(voteRespMsgType(MessageType.MsgPreVote)).toBe(MessageType.MsgPreVoteResp);
    expect(() => voteRespMsgType(MessageType.MsgApp)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    );
  });
});

describe('comparing', () => {
  test('a hard state is empty when all of it is 0', () => {
    expect(isEmptyHardState(EmptyHardState)).toBe(true);
    for (const change of [{ term: 1 }, { vote: 1 }, { commit: 1 }]) {
      expect(isEmptyHardState({ ...EmptyHardState, ...change })).toBe(false);
      expect(isHardStateEqual(EmptyHardState, { ...EmptyHardState, ...change })).toBe(false);
    }
    expect(isHardStateEqual({ term: 1, vote: 2, commit: 3 }, { term: 1, vote: 2, commit: 3 })).toBe(true);
  });

  test('soft states are equal when leader and role are', () => {
    expect(isSoftStateEqual({ leader: 1, state: 0 }, { leader: 1, state: 0 })).toBe(true);
    expect(isSoftStateEqual({ leader: 1, state: 0 }, { leader: 2, state: 0 })).toBe(false);
    expect(isSoftStateEqual({ leader: 1, state: 0 }, { leader: 1, state: 2 })).toBe(false);
  });

  test('a snapshot at index 0 is none', () => {
    const at = (index: number) => ({
      metadata: { index, term: 1, confState: EmptyConfState },
      data: bytes(''),
    });
    expect([undefined, at(0), at(1)].map(isEmptySnap)).toEqual([true, true, false]);
  });

  test('memberships are equivalent in whatever order their ids stand', () => {
    const base = { ...confStateOf([1, 2, 3], [4]), votersOutgoing: [1, 2, 5], learnersNext: [5] };
    expect(confStateEquivalent(base, { ...base, voters: [3, 1, 2], votersOutgoing: [5, 2, 1] })).toBe(true);
    const others = [
      { voters: [1, 2] },
      { votersOutgoing: [] },
      { learners: [] },
      { learnersNext: [] },
      { autoLeave: true },
    ];
    for (const other of others) expect(confStateEquivalent(base, { ...base, ...other })).toBe(false);
  });

  test('mustSync is called for by entries, a vote and a term, not by a commit index', () => {
    const before = { term: 1, vote: 1 };
    expect(mustSync(before, before, 0)).toBe(false);
    expect([
      mustSync(before, before, 1),
      mustSync({ term: 2, vote: 1 }, before, 0),
      mustSync({ term: 1, vote: 2 }, before, 0),
    ]).toEqual([true, true, true]);
  });

  test('majority is more than half', () => {
    expect([1, 2, 3, 4, 5, 6, 7].map(majority)).toEqual([1, 2, 2, 3, 3, 4, 4]);
  });
});

describe('texts', () => {
  test('membership changes are read and written as v1 l2 r3 u4', () => {
    const changes = parseConfChanges('v1 l2 r3 u4');
    expect(formatConfChanges(changes)).toBe('v1 l2 r3 u4');
    for (const wrong of ['x1', 'v', 'v-1', 'v1.5', 'v99999999999999999']) {
      expect(() => parseConfChanges(wrong), wrong).toThrow(
        expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
      );
    }
    const change = {
      version: 2,
      transition: ConfChangeTransition.Auto,
      changes,
      context: bytes(''),
    } as const;
    expect(describeConfChange(change)).toContain('changes:{type:ConfChangeAddNode node_id:1}');
  });

  test('the nouns are described in the words of etcd', () => {
    expect(describeHardState({ term: 2, vote: 0, commit: 3 })).toBe('Term:2 Commit:3');
    expect(describeHardState({ term: 2, vote: 1, commit: 3 })).toBe('Term:2 Vote:1 Commit:3');
    expect(describeSoftState({ leader: 1, state: 2 })).toBe('Lead:1 State:StateLeader');
    const confState = 'Voters:[1 2] VotersOutgoing:[] Learners:[3] LearnersNext:[] AutoLeave:false';
    expect(describeConfState(confStateOf([1, 2], [3]))).toBe(confState);
    const snapshot = {
      metadata: { index: 4, term: 2, confState: confStateOf([1, 2], [3]) },
      data: bytes('x'),
    };
    expect(describeSnapshot(snapshot)).toBe(`Index:4 Term:2 ConfState:${confState}`);
    expect([LocalAppendThread, LocalApplyThread, 0, 26].map(describeTarget)).toEqual([
      'AppendThread',
      'ApplyThread',
      'None',
      '1a',
    ]);
  });

  test('entries are described by Go quoting or by a formatter of the caller', () => {
    const entry = new Entry(1, 2, 0, bytes('a"\n'));
    expect(describeEntry(entry)).toBe('1/2 EntryNormal "a\\"\\n"');
    expect(describeEntries([entry, entry], (data) => String(data.length))).toBe(
      '1/2 EntryNormal 3\n1/2 EntryNormal 3\n',
    );
  });

  test('messages and Readys are described on lines', () => {
    const message = new Message(MessageType.MsgAppResp, {
      from: 2,
      to: 1,
      term: 3,
      index: 4,
      reject: true,
      rejectHint: 1,
    });
    expect(describeMessage(message)).toBe('2->1 MsgAppResp Term:3 Log:0/4 Rejected (Hint: 1)');
    const network = new Network();
    network.node(1).campaign();
    expect(describeReady(network.node(1).ready())).toMatch(
      /^Ready MustSync=true:\nLead:0 State:StateCandidate\nHardState Term:1 Vote:1 Commit:1\n/,
    );
    network.node(2).tick();
    expect(describeReady(network.node(2).ready())).toBe('<empty Ready>');
  });

  test('a status is JSON with the keys of etcd, and peers only on the leader', () => {
    const network = new Network();
    network.elect(1);
    const { lastIndex } = network.node(1);
    expect(JSON.parse(statusToJson(network.node(1).status()))).toEqual({
      id: '1',
      term: 1,
      vote: '1',
      commit: lastIndex,
      lead: '1',
      raftState: 'StateLeader',
      applied: lastIndex,
      progress: Object.fromEntries(
        ['1', '2', '3'].map((id) => [id, { match: lastIndex, next: lastIndex + 1, state: 'StateReplicate' }]),
      ),
      leadtransferee: '0',
    });
    expect(JSON.parse(statusToJson(network.node(2).status()))).toMatchObject({
      raftState: 'StateFollower',
      progress: {},
    });
  });

  test('basicStatus is status without what grows with the membership, and visitProgress gives that without a copy', () => {
    const network = new Network();
    network.elect(1);
    const { confState, progress, ...basic } = network.node(1).status();
    expect(network.node(1).basicStatus()).toEqual(basic);
    const seen: [number, number][] = [];
    network.node(1).visitProgress((id, { match }) => seen.push([id, match]));
    expect(seen).toEqual(progress.map(({ id, match }) => [id, match]));
    expect(confState.voters).toEqual([1, 2, 3]);
  });
});

test('isBalsaError tells codes apart', () => {
  let caught: unknown;
  try {
    parseConfChanges('?');
  } catch (error) {
    caught = error;
  }
  expect([
    isBalsaError(caught),
    isBalsaError(caught, 'INVALID_ARGUMENT'),
    isBalsaError(caught, 'STOPPED'),
    isBalsaError(new Error()),
  ]).toEqual([true, true, false, false]);
});
