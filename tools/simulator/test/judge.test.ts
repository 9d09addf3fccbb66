/** Each rule can be broken: what the judge is shown here is what it must complain of. Other rules are broken by the museum. */
import {
  EmptyConfState,
  Entry,
  Message,
  MessageType,
  ProgressState,
  StateType,
  type RaftCore,
  type SnapshotMetadata,
  type StorageState,
  type WriteBatch,
} from '@balsa/raft-core';
import type { Reply } from '@balsa/kv';
import { describe, expect, test } from 'vitest';
import { AppliedBook } from '../src/judge/history-of-state.ts';
import { Judge } from '../src/judge/judge.ts';
import type { Site } from '../src/judge/site.ts';

const confState = { ...EmptyConfState, voters: [1, 2, 3] };

/** As much of a core as the judge looks at. */
interface Shown {
  term: number;
  state: StateType;
  committed: number;
  applied: number;
  lastIndex: number;
  firstIndex: number;
  progress: readonly unknown[];
  voters: readonly number[];
  leader: number;
  tick: () => void;
  step: (message: Message) => unknown;
}

class Court {
  readonly judge = new Judge();
  readonly #cores = new Map<number, Shown>();

  site(id: number): Site {
    return this.judge.site(id);
  }

  core(id: number, shown: Partial<Shown> = {}): Shown {
    const core = {
      term: 1,
      state: StateType.Follower,
      committed: 1,
      applied: 1,
      lastIndex: 1,
      firstIndex: 1,
      progress: [],
      voters: confState.voters,
      leader: 0,
      tick: () => undefined,
      step: () => undefined,
      ...shown,
      status: () => ({
        id,
        confState: { ...confState, voters: core.voters },
        firstIndex: core.firstIndex,
        progress: core.progress,
      }),
    };
    this.attach(id, core);
    this.#cores.set(id, core);
    return core;
  }

  attach(id: number, core: Shown): void {
    this.judge.detach(id);
    this.judge.attach(id, core as unknown as RaftCore);
  }

  write(id: number, batch: WriteBatch, installed?: SnapshotMetadata): void {
    const site = this.site(id);
    const inFlight = { batch, installed };
    this.judge.beforeWrite(site, inFlight);
    site.inFlight = inFlight;
    this.judge.afterWrite(site, inFlight);
  }

  /** Entries of one term after the bootstrap's, written on each of `ids`. */
  fill(ids: readonly number[], term: number, from: number, to: number): void {
    for (const id of ids) {
      const entries = Array.from({ length: to - from + 1 }, (_, i) => new Entry(term, from + i));
      this.write(id, { entries });
    }
  }

  /** Becomes leader by votes that are durable on 1 and 2, or on nobody. */
  elect(id: number, term: number, shown: Partial<Shown> = {}, voters: readonly number[] = [1, 2]): Shown {
    const core = this.core(id, shown);
    for (const voter of voters) this.write(voter, { hardState: { term, vote: id, commit: 0 } });
    Object.assign(core, { term, state: StateType.Leader });
    this.judge.refresh();
    return core;
  }

  get verdict(): string {
    try {
      this.judge.afterEvent();
      return 'none';
    } catch (error) {
      return String((error as { rule?: string }).rule);
    }
  }
}

function begun(): Court {
  const court = new Court();
  for (const id of [1, 2, 3]) court.write(id, { entries: [new Entry(1, 1)] });
  return court;
}

function stateOf(lastIndex: number, term: number): StorageState {
  return {
    hardState: { term: 0, vote: 0, commit: 0 },
    confState: { index: 0, state: EmptyConfState },
    snapshot: undefined,
    firstIndex: 1,
    lastIndex,
    outline: { boundary: { index: 0, term: 0 }, runs: [{ index: 1, term }], confChanges: [] },
    pendingRestore: undefined,
  } as unknown as StorageState;
}

describe('rules', () => {
  test('what a healthy cluster does breaks none', () => {
    const court = begun();
    const leader = court.elect(1, 2);
    court.fill([1, 2], 2, 2, 3);
    Object.assign(leader, { lastIndex: 3, committed: 3 });
    expect(court.verdict).toBe('none');
  });

  test('I1: two leaders of one term, one that is no voter, and one without durable votes', () => {
    const two = begun();
    two.elect(1, 2);
    expect(two.verdict).toBe('none');
    two.elect(2, 2, {}, []);
    expect(two.verdict).toBe('I1 ElectionSafety');
    const stranger = begun();
    stranger.elect(9, 2);
    expect(stranger.verdict).toBe('I1 ElectionSafety');
    const unvoted = begun();
    unvoted.elect(1, 2, {}, [1]);
    expect(unvoted.verdict).toBe('I1 ElectionSafety');
  });

  test('I2: a leader that shortens its log', () => {
    const court = begun();
    const leader = court.elect(1, 2, { lastIndex: 5 });
    leader.lastIndex = 4;
    expect(court.verdict).toBe('I2 LeaderAppendOnly');
  });

  test('I3: two entries of one index and term, and one that follows another than elsewhere', () => {
    const court = begun();
    court.write(1, { entries: [new Entry(2, 2, 0, Uint8Array.of(1))] });
    court.write(2, { entries: [new Entry(2, 2, 0, Uint8Array.of(2))] });
    expect(court.verdict).toBe('I3 LogMatching');
    const other = begun();
    other.fill([1], 2, 2, 2);
    other.fill([2], 3, 2, 2);
    other.fill([1, 2], 4, 3, 3);
    expect(other.verdict).toBe('I3 LogMatching');
  });

  test('I4: a leader without what was committed before its term', () => {
    const court = begun();
    const leader = court.elect(1, 2);
    court.fill([1, 2], 2, 2, 3);
    Object.assign(leader, { lastIndex: 3, committed: 3 });
    court.judge.refresh();
    court.elect(3, 3, { lastIndex: 2 });
    expect(court.verdict).toBe('I4 LeaderCompleteness');
  });

  test('I4: leadership is handed to one that has not got the whole log', () => {
    const court = begun();
    court.elect(1, 2, { lastIndex: 2 });
    court.fill([1, 2], 2, 2, 2);
    court.judge.checkHandover(court.site(1), 2);
    expect(court.verdict).toBe('none');
    court.judge.checkHandover(court.site(1), 3);
    expect(court.verdict).toBe('I4 LeaderCompleteness');
  });

  test('I5: another command at an index, and another state', () => {
    const book = new AppliedBook();
    const key = Uint8Array.of(107);
    const command = { index: 2, term: 2, data: Uint8Array.of(1) };
    expect(new AppliedBook().check(1, 2, [command])).toBe('nobody proposed its command at 2');
    book.kv.proposed(command.data, { op: 'incrby', key, delta: 3n });
    expect(book.check(1, 2, [command])).toBeUndefined();
    expect(book.check(1, 2, [command])).toBeUndefined();
    expect(book.check(1, 2, [{ ...command, data: Uint8Array.of(2) }])).toMatch(/another/);
    expect(book.check(1, 2, [])).toMatch(/skips/);
    expect(book.sameSnapshot(2, 'a')).toBe(true);
    expect(book.sameSnapshot(2, 'b')).toBe(false);
  });

  test('I5: a reply that the commands before do not lead to', () => {
    const book = new AppliedBook();
    const key = Uint8Array.of(107);
    const data = [1, 2, 3].map((n) => Uint8Array.of(n));
    const [incr, set, del] = data as [Uint8Array, Uint8Array, Uint8Array];
    book.kv.proposed(incr, { op: 'incrby', key, delta: 3n });
    book.kv.proposed(set, { op: 'set', key, value: key, condition: 'xx', get: true });
    book.kv.proposed(del, { op: 'del', keys: [key, key] });
    const commands = [incr, incr, set, incr, del].map((one, i) => ({ index: i + 2, term: 1, data: one }));
    expect(book.check(1, 6, commands)).toBeUndefined();
    const replies: Reply[] = [
      { kind: 'integer', value: 3 },
      { kind: 'integer', value: 6 },
      { kind: 'bulk', bytes: Uint8Array.of(54) },
      { kind: 'error', text: 'ERR value is not an integer or out of range' },
      { kind: 'integer', value: 1 },
    ];
    const faults = replies.map((reply, i) => book.kv.check(i + 2, reply));
    expect(faults).toEqual(replies.map(() => undefined));
    expect(book.kv.check(3, { kind: 'integer', value: 3 })).toBe(
      'answers integer 3 to the command at 3, not integer 6',
    );
    expect(book.kv.state.size).toBe(0);
  });

  test('I6: a follower that takes for committed what no leader committed, and a write over what is committed', () => {
    const court = begun();
    court.core(2, { lastIndex: 3 }).committed = 2;
    expect(court.verdict).toBe('I6 CommittedImmutable');
    const other = begun();
    other.write(1, { entries: [new Entry(2, 1)] });
    expect(other.verdict).toBe('I6 CommittedImmutable');
  });

  test('I7: a leader that commits what is durable on itself alone', () => {
    const court = begun();
    const leader = court.elect(1, 2);
    court.fill([1], 2, 2, 2);
    Object.assign(leader, { lastIndex: 2, committed: 2 });
    expect(court.verdict).toBe('I7 CommittedOnDurableQuorum');
  });

  test('I7: a node that acknowledges another entry than its leader has there', () => {
    const court = begun();
    court.elect(1, 3);
    court.fill([1, 2], 3, 2, 3);
    court.fill([3], 2, 2, 3);
    const acknowledged = (from: number): string => {
      const message = new Message(MessageType.MsgAppResp, { to: 1, from, term: 3, index: 3 });
      court.judge.checkAcknowledgement(court.site(from), message);
      return court.verdict;
    };
    expect([2, 3].map(acknowledged)).toEqual(['none', 'I7 CommittedOnDurableQuorum']);
  });

  test('I7: a leader that counts what was acknowledged in an earlier term', () => {
    const counted = (term: number): string => {
      const court = begun();
      const peer = { id: 2, match: 1, next: 2, state: ProgressState.Replicate };
      const step = (): void => {
        core.progress = [{ ...peer, match: 5 }];
      };
      const core = court.elect(1, 3, { progress: [peer], step });
      core.step(new Message(MessageType.MsgAppResp, { to: 1, from: 2, term, index: 5 }));
      return court.verdict;
    };
    expect([3, 2].map(counted)).toEqual(['none', 'I7 CommittedOnDurableQuorum']);
  });

  test('one message: more taken for committed than it shows, a term by a pre-vote, a leader of an older term obeyed', () => {
    const verdictOf = (message: Message, becomes: Partial<Shown>): string => {
      const court = begun();
      court.fill([1, 2, 3], 1, 2, 8);
      const core = court.core(1, { term: 3, lastIndex: 8, leader: 2 });
      // Somebody has committed it all: only the message is to blame.
      const leader = court.elect(2, 3, { lastIndex: 9 });
      court.fill([2, 3], 3, 9, 9);
      leader.committed = 9;
      court.judge.refresh();
      core.step = () => Object.assign(core, becomes);
      court.attach(1, core);
      core.step(message);
      return court.verdict;
    };
    const entries = [new Entry(1, 4)];
    const append = new Message(MessageType.MsgApp, { from: 2, term: 3, index: 3, entries, commit: 8 });
    expect(verdictOf(append, { committed: 1 })).toBe('none');
    expect(verdictOf(append, { committed: 5 })).toBe('I6 CommittedImmutable');
    const granted = new Message(MessageType.MsgPreVoteResp, { from: 2, term: 4 });
    expect(verdictOf(granted, { term: 4, state: StateType.Candidate })).toBe('none');
    expect(verdictOf(granted, { term: 4 })).toBe('I8 Monotonic');
    const old = new Message(MessageType.MsgHeartbeat, { from: 3, term: 2 });
    expect(verdictOf(old, {})).toBe('none');
    expect(verdictOf(old, { leader: 3 })).toBe('I1 ElectionSafety');
  });

  test('I8: a term that goes back, in memory and on disk, and a vote that changes', () => {
    const court = begun();
    const core = court.core(1, { term: 5 });
    core.term = 4;
    expect(court.verdict).toBe('I8 Monotonic');
    const other = begun();
    other.write(1, { hardState: { term: 5, vote: 1, commit: 0 } });
    other.write(1, { hardState: { term: 5, vote: 2, commit: 0 } });
    expect(other.verdict).toBe('I8 Monotonic');
  });

  test('I9: more applied than committed', () => {
    const court = begun();
    const core = court.core(1, { lastIndex: 3 });
    Object.assign(core, { applied: 2, term: 2 });
    expect(court.verdict).toBe('I9 Ordering');
  });

  test('I9: one that campaigns while its disk or its state machine has not got a snapshot yet', () => {
    const campaigns = (firstIndex: number, restoring?: number): string => {
      const court = begun();
      const core = court.core(1, { firstIndex, lastIndex: 9 });
      court.site(1).restoring = restoring;
      core.state = StateType.PreCandidate;
      return court.verdict;
    };
    expect(campaigns(2)).toBe('none');
    expect(campaigns(10)).toBe('I9 Ordering');
    expect(campaigns(2, 9)).toBe('I9 Ordering');
  });

  test('I10: two memberships of one index', () => {
    const court = begun();
    court.judge.checkConf(1, 4, confState);
    court.judge.checkConf(2, 4, { ...confState, voters: [1, 2] });
    expect(court.verdict).toBe('I10 ConfigFidelity');
  });

  test('I11: a store that opens without what it acknowledged', () => {
    const court = begun();
    court.judge.opened(court.site(1), stateOf(1, 1));
    expect(court.verdict).toBe('none');
    court.judge.opened(court.site(2), stateOf(0, 1));
    expect(court.verdict).toBe('I11 RestartFidelity');
  });

  test('I12: a gap, and a write beside another', () => {
    const court = begun();
    court.write(1, { entries: [new Entry(2, 3)] });
    expect(court.verdict).toBe('I12 ReadyContract');
    const other = begun();
    const inFlight = { batch: {}, installed: undefined };
    other.site(1).inFlight = inFlight;
    other.judge.beforeWrite(other.site(1), inFlight);
    expect(other.verdict).toBe('I12 ReadyContract');
  });

  test('I14: a leader that leads on and hears from no quorum', () => {
    const ticks = (answering: readonly number[]): string => {
      const court = begun();
      court.judge.quorumCheckTicks = 3;
      const core = court.elect(1, 2, { tick: () => undefined });
      for (let n = 0; n < 60; n++) {
        core.tick();
        for (const from of answering)
          core.step(new Message(MessageType.MsgHeartbeatResp, { to: 1, from, term: 2 }));
      }
      return court.verdict;
    };
    expect([[2], [3], []].map(ticks)).toEqual(['none', 'none', 'I14 Liveness']);
  });

  test('I14: a quorum that has just become one counts from then on', () => {
    const court = begun();
    court.judge.quorumCheckTicks = 3;
    const core = court.elect(1, 2, { tick: () => undefined });
    const tick = (times: number): void => {
      for (let n = 0; n < times; n++) {
        core.tick();
        core.step(new Message(MessageType.MsgHeartbeatResp, { to: 1, from: 2, term: 2 }));
      }
    };
    tick(40);
    // Node 3 has been silent all along, and now it is needed.
    core.voters = [1, 3];
    tick(12);
    expect(court.verdict).toBe('none');
    tick(12);
    expect(court.verdict).toBe('I14 Liveness');
  });

  test('I17: what was being written is there in part', () => {
    const opened = (last: number): string => {
      const court = begun();
      const batch = { entries: [new Entry(1, 2), new Entry(1, 3)] };
      court.judge.beforeWrite(court.site(1), { batch, installed: undefined });
      court.site(1).inFlight = { batch, installed: undefined };
      court.judge.opened(court.site(1), stateOf(last, 1));
      return court.verdict;
    };
    expect([1, 2, 3].map(opened)).toEqual(['none', 'I17 CrashStates', 'none']);
  });
});
