/** Nothing that comes in by `step` may crash a member or change it when refused. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  EmptyConfState,
  Entry,
  LocalAppendThread,
  Message,
  MessageType,
  isBalsaError,
  type ErrorCode,
  type MessageFields,
} from '../src/index.ts';
import { bytes, confStateOf, Network } from './network/network.ts';

/** 1 leads term 1, with a log up to 4; 2 follows. */
function running(): Network {
  const network = new Network();
  network.elect(1);
  network.propose(1, 'a', 'b');
  return network;
}

function refusal(
  network: Network,
  id: number,
  type: MessageType,
  fields: MessageFields,
): ErrorCode | undefined {
  const before = JSON.stringify(network.node(id).status());
  try {
    network.node(id).step(new Message(type, { to: id, ...fields }));
    return undefined;
  } catch (error) {
    if (!isBalsaError(error)) throw error;
    expect(JSON.stringify(network.node(id).status())).toBe(before);
    expect(network.node(id).hasReady()).toBe(false);
    return error.code;
  }
}

const huge = Number.MAX_SAFE_INTEGER;
const snapshotAt = (index: number, term: number, confState = confStateOf([1, 2, 3])) => ({
  metadata: { index, term, confState },
  data: bytes('[]'),
});

describe('messages that no correct member sends', () => {
  const cases: [string, number, MessageType, MessageFields, ErrorCode][] = [
    ['a campaign order', 2, MessageType.MsgHup, { from: 1 }, 'STEP_LOCAL_MSG'],
    ['a tick', 1, MessageType.MsgBeat, { from: 2 }, 'STEP_LOCAL_MSG'],
    ['an order to forget the leader', 2, MessageType.MsgForgetLeader, { from: 1, term: 1 }, 'STEP_LOCAL_MSG'],
    [
      'a storage report',
      2,
      MessageType.MsgStorageAppendResp,
      { from: 1, term: 1, index: 4 },
      'STEP_LOCAL_MSG',
    ],
    [
      'an append by a storage thread',
      2,
      MessageType.MsgApp,
      { from: LocalAppendThread, term: 9 },
      'STEP_INVALID_MESSAGE',
    ],
    [
      'an ack by a stranger',
      1,
      MessageType.MsgAppResp,
      { from: 9, term: 1, index: 4 },
      'STEP_PEER_NOT_FOUND',
    ],
    ['a vote by a stranger', 1, MessageType.MsgVoteResp, { from: 9, term: 1 }, 'STEP_PEER_NOT_FOUND'],
    [
      'an ack beyond the log',
      1,
      MessageType.MsgAppResp,
      { from: 2, term: 1, index: 99 },
      'STEP_INVALID_MESSAGE',
    ],
    [
      'a heartbeat that commits beyond the log',
      2,
      MessageType.MsgHeartbeat,
      { from: 1, term: 1, commit: 99 },
      'STEP_INVALID_MESSAGE',
    ],
    [
      'the same in a later term',
      2,
      MessageType.MsgHeartbeat,
      { from: 3, term: 5, commit: 99 },
      'STEP_INVALID_MESSAGE',
    ],
    ['an append without a term', 2, MessageType.MsgApp, { from: 1, index: 4 }, 'STEP_INVALID_MESSAGE'],
    ['an append from nobody', 2, MessageType.MsgApp, { from: 0, term: 1 }, 'STEP_INVALID_MESSAGE'],
    ['an append from itself', 2, MessageType.MsgApp, { from: 2, term: 1 }, 'STEP_INVALID_MESSAGE'],
    [
      'a refusal of its own entries',
      1,
      MessageType.MsgAppResp,
      { from: 1, term: 1, index: huge, reject: true },
      'STEP_INVALID_MESSAGE',
    ],
    [
      'an answer to its own heartbeat',
      1,
      MessageType.MsgHeartbeatResp,
      { from: 1, term: 1 },
      'STEP_INVALID_MESSAGE',
    ],
    [
      'an append for another',
      2,
      MessageType.MsgHeartbeat,
      { from: 1, to: 3, term: 1 },
      'STEP_INVALID_MESSAGE',
    ],
    [
      'entries with a gap',
      2,
      MessageType.MsgApp,
      { from: 1, term: 1, index: 4, logTerm: 1, entries: [new Entry(1, 6)] },
      'STEP_INVALID_MESSAGE',
    ],
    [
      'entries of a later term than the message',
      2,
      MessageType.MsgApp,
      { from: 1, term: 1, index: 4, logTerm: 1, entries: [new Entry(2, 5)] },
      'STEP_INVALID_MESSAGE',
    ],
    [
      'entries whose terms fall',
      2,
      MessageType.MsgApp,
      { from: 1, term: 9, index: 4, logTerm: 1, entries: [new Entry(3, 5), new Entry(2, 6)] },
      'STEP_INVALID_MESSAGE',
    ],
    [
      'a term that is no safe integer',
      2,
      MessageType.MsgVote,
      { from: 1, term: huge + 1 },
      'STEP_INVALID_MESSAGE',
    ],
    ['the last term there is', 2, MessageType.MsgVote, { from: 1, term: huge }, 'STEP_INVALID_MESSAGE'],
    ['a fractional index', 2, MessageType.MsgVote, { from: 1, term: 2, index: 1.5 }, 'STEP_INVALID_MESSAGE'],
    [
      'a negative commit',
      2,
      MessageType.MsgApp,
      { from: 1, term: 1, index: 4, logTerm: 1, commit: -1 },
      'STEP_INVALID_MESSAGE',
    ],
    ['an empty proposal', 1, MessageType.MsgProp, { from: 2 }, 'STEP_INVALID_MESSAGE'],
    [
      'a membership change that cannot be decoded',
      1,
      MessageType.MsgProp,
      { from: 2, entries: [new Entry(0, 0, 2, bytes('\xff\xff'))] },
      'STEP_INVALID_MESSAGE',
    ],
    ['a read without a context', 1, MessageType.MsgReadIndex, { from: 2 }, 'STEP_INVALID_MESSAGE'],
    [
      'a read answer with two',
      2,
      MessageType.MsgReadIndexResp,
      { from: 1, term: 1, entries: [new Entry(0, 0), new Entry(0, 0)] },
      'STEP_INVALID_MESSAGE',
    ],
    ['a snapshot message without one', 2, MessageType.MsgSnap, { from: 1, term: 1 }, 'STEP_INVALID_MESSAGE'],
    [
      'a snapshot at 0',
      2,
      MessageType.MsgSnap,
      { from: 1, term: 1, snapshot: snapshotAt(0, 0) },
      'STEP_INVALID_MESSAGE',
    ],
    [
      'a snapshot of a later term than the message',
      2,
      MessageType.MsgSnap,
      { from: 1, term: 1, snapshot: snapshotAt(9, 2) },
      'STEP_INVALID_MESSAGE',
    ],
    [
      'a snapshot whose voters are unsorted',
      2,
      MessageType.MsgSnap,
      { from: 1, term: 1, snapshot: snapshotAt(9, 1, confStateOf([3, 2, 1])) },
      'STEP_INVALID_MESSAGE',
    ],
    [
      'a snapshot whose learner votes',
      2,
      MessageType.MsgSnap,
      { from: 1, term: 1, snapshot: snapshotAt(9, 1, confStateOf([1, 2], [2])) },
      'STEP_INVALID_MESSAGE',
    ],
    [
      'a snapshot that leaves a configuration that is not joint',
      2,
      MessageType.MsgSnap,
      {
        from: 1,
        term: 1,
        snapshot: snapshotAt(9, 1, { ...EmptyConfState, voters: [1, 2], autoLeave: true }),
      },
      'STEP_INVALID_MESSAGE',
    ],
    ['an unknown type', 2, 77 as MessageType, { from: 1, term: 1 }, 'STEP_INVALID_MESSAGE'],
  ];

  test.each(cases)('%s is refused, and nothing changes', (_what, id, type, fields, code) => {
    expect(refusal(running(), id, type, fields)).toBe(code);
  });

  test('a snapshot for others is ignored', () => {
    const network = running();
    const before = network.node(2).committed;
    network.node(2).step(
      new Message(MessageType.MsgSnap, {
        from: 1,
        to: 2,
        term: 1,
        snapshot: snapshotAt(9, 1, confStateOf([1, 3])),
      }),
    );
    expect(network.node(2).committed).toBe(before);
  });

  test('a reject hint from nowhere does not make the leader send below what is acknowledged', () => {
    const network = running();
    network.node(1).step(
      new Message(MessageType.MsgAppResp, {
        from: 2,
        to: 1,
        term: 1,
        index: 50,
        reject: true,
        rejectHint: huge,
        logTerm: huge,
      }),
    );
    const peer = network
      .node(1)
      .status()
      .progress.find((p) => p.id === 2);
    expect(peer).toMatchObject({ match: 4, next: 5 });
  });
});

const number = fc.oneof(fc.nat(12), fc.constantFrom(-1, 0.5, NaN, Infinity, huge, huge - 1, huge + 1));
const entry = fc
  .tuple(fc.nat(4), fc.nat(9), fc.nat(3), fc.uint8Array({ maxLength: 4 }))
  .map(([term, index, type, data]) => new Entry(term, index, type as 0 | 1 | 2, data));
const message = fc.record({
  type: fc.integer({ min: 0, max: 25 }),
  from: fc.oneof(fc.nat(5), fc.constantFrom(huge, huge - 1)),
  term: fc.oneof(fc.nat(4), number),
  logTerm: fc.oneof(fc.nat(4), number),
  index: number,
  commit: number,
  entries: fc.array(entry, { maxLength: 3 }),
  reject: fc.boolean(),
  rejectHint: number,
  context: fc.uint8Array({ maxLength: 9 }),
});

test('random messages never break an invariant of a member that stays reachable from correct peers', () => {
  const codes = new Set<string>();
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom(1, 2, 3), message), { minLength: 1, maxLength: 30 }),
      (steps) => {
        const network = running();
        for (const [to, fields] of steps) {
          const { type, from, ...rest } = fields;
          // Storage threads are this node's own: nobody else may speak for them, so their reports are not hostile.
          if (
            from >= huge - 1 &&
            (type === MessageType.MsgStorageAppendResp || type === MessageType.MsgStorageApplyResp)
          )
            continue;
          const snapshot = type === MessageType.MsgSnap ? snapshotAt(rest.index, rest.logTerm) : undefined;
          try {
            network.node(to).step(new Message(type as MessageType, { ...rest, from, to, snapshot }));
            network.put(network.member(to).takeReady());
            network.wire.length = 0;
          } catch (error) {
            if (!isBalsaError(error) || error.code === 'INVARIANT_BROKEN') throw error;
            codes.add(error.code);
          }
        }
      },
    ),
    { numRuns: 300 },
  );
  expect([...codes].sort()).toEqual(
    expect.arrayContaining([
      'PROPOSAL_DROPPED',
      'STEP_INVALID_MESSAGE',
      'STEP_LOCAL_MSG',
      'STEP_PEER_NOT_FOUND',
    ]),
  );
});
