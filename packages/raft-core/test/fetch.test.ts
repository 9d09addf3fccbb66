/** Entries and snapshots that are not in memory. */
import { describe, expect, test } from 'vitest';
import { Entry, Message, MessageType, ProgressState, StateType, type Fetch } from '../src/index.ts';
import { bytes, confStateOf, Disk, Member, Network, seeded } from './network/network.ts';

/** A leader of [1, 2, 3] whose log is on disk and not in its cache; 2 follows, 3 is cut off since `payloads`. */
function behind(payloads: readonly string[], config: object = {}): Network {
  const network = new Network({ config: { entryCacheBytes: 0, ...config } });
  network.elect(1);
  network.isolate(3);
  network.propose(1, ...payloads);
  network.isolate();
  network.sent.length = 0;
  network.member(1).holdFetches = true;
  return network;
}

function sentTo(network: Network, id: number): Message[] {
  return network.sent.filter(
    (m) => m.to === id && (m.type === MessageType.MsgApp || m.type === MessageType.MsgSnap),
  );
}

const peerOf = (network: Network, id: number) =>
  network
    .node(1)
    .status()
    .progress.find((p) => p.id === id);

describe('reading to send', () => {
  test('a follower that is behind the cache is served by one fetch at a time', () => {
    const network = behind(['a', 'b', 'c']);
    network.heartbeat(1);
    network.heartbeat(1);
    const { fetches } = network.member(1);
    expect(fetches).toMatchObject([{ purpose: 'send', to: 3, low: 3, high: 6 }]);
    expect(sentTo(network, 3).every((m) => m.entries.length === 0)).toBe(true);
    network.member(1).answerFetch();
    network.stabilize();
    expect(network.states()[2]).toEqual(['a', 'b', 'c']);
  });

  test('what is in memory by the time of the answer rides along', () => {
    const network = behind(['a', 'b']);
    network.heartbeat(1);
    network.node(1).propose(bytes('c'));
    network.member(1).answerFetch();
    network.put(network.member(1).takeReady());
    expect(sentTo(network, 3).at(-1)?.entries).toHaveLength(3);
  });

  test('an answer after the leader stepped down is dropped', () => {
    const network = behind(['a']);
    network.heartbeat(1);
    const [fetch] = network.member(1).fetches.splice(0);
    network.elect(2);
    network.sent.length = 0;
    if (fetch !== undefined) network.member(1).answer(fetch);
    expect(network.node(1).hasReady()).toBe(false);
  });

  test('an answer for a next index that has moved on is dropped, and the right one is asked for', () => {
    const network = behind(['a', 'b']);
    network.heartbeat(1);
    const [fetch] = network.member(1).fetches.splice(0);
    // The follower got one entry by another way.
    network.node(1).step(ackFrom3(network, 3));
    if (fetch !== undefined) network.member(1).answer(fetch);
    network.put(network.member(1).takeReady());
    expect(sentTo(network, 3).every((m) => m.entries.length === 0)).toBe(true);
    expect(network.member(1).fetches).toMatchObject([{ purpose: 'send', low: 4 }]);
  });

  test('a second answer to the same fetch has no effect', () => {
    const network = behind(['a']);
    network.heartbeat(1);
    const [fetch] = network.member(1).fetches.splice(0);
    if (fetch === undefined) throw new Error('no fetch');
    network.member(1).answer(fetch);
    network.put(network.member(1).takeReady());
    const count = sentTo(network, 3).length;
    network.member(1).answer(fetch);
    network.put(network.member(1).takeReady());
    expect(sentTo(network, 3)).toHaveLength(count);
  });

  test('a failed fetch is not repeated at once, but on the next heartbeat response', () => {
    const network = behind(['a']);
    network.heartbeat(1);
    const [fetch] = network.member(1).fetches.splice(0);
    network.node(1).fetchFailed(fetch?.id ?? 0, 'unavailable');
    expect(network.node(1).hasReady()).toBe(false);
    network.heartbeat(1);
    expect(network.member(1).fetches).toHaveLength(1);
  });

  test('entries that turn out to be compacted are made up for by a snapshot', () => {
    const network = behind(['a', 'b']);
    network.heartbeat(1);
    const [fetch] = network.member(1).fetches.splice(0);
    network.node(1).fetchFailed(fetch?.id ?? 0, 'compacted');
    network.put(network.member(1).takeReady());
    expect(network.member(1).fetches).toMatchObject([{ purpose: 'snapshot', to: 3 }]);
    network.member(1).holdFetches = false;
    network.stabilize();
    expect(network.states()[2]).toEqual(['a', 'b']);
  });

  test('a misshapen answer is refused and the fetch stays open', () => {
    const network = behind(['a', 'b']);
    network.heartbeat(1);
    const [fetch] = network.member(1).fetches;
    if (fetch === undefined) throw new Error('no fetch');
    const bad: Entry[][] = [[], [new Entry(1, 9)], [new Entry(7, 3)], [new Entry(1, 3), new Entry(1, 5)]];
    for (const entries of bad) {
      expect(() => {
        network.node(1).fetched(fetch.id, entries);
      }).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    }
    network.member(1).answerFetch();
    network.stabilize();
    expect(network.states()[2]).toEqual(['a', 'b']);
  });

  test('a peer that was removed is asked for no more', () => {
    const network = new Network({ voters: [1, 2, 4], learners: [3], config: { entryCacheBytes: 0 } });
    network.elect(1);
    network.isolate(3);
    network.propose(1, 'a');
    network.isolate();
    network.member(1).holdFetches = true;
    network.heartbeat(1);
    const [fetch] = network.member(1).fetches.splice(0);
    expect(fetch).toMatchObject({ to: 3 });
    network.node(1).proposeConfChange({ version: 1, id: 0, type: 1, nodeId: 3, context: new Uint8Array(0) });
    network.stabilize();
    network.sent.length = 0;
    if (fetch !== undefined) network.member(1).answer(fetch);
    network.stabilize();
    expect(sentTo(network, 3)).toEqual([]);
  });

  function ackFrom3(network: Network, index: number): Message {
    return new Message(MessageType.MsgAppResp, { from: 3, to: 1, term: network.node(1).term, index });
  }
});

describe('reading to apply', () => {
  /** A member whose log of `count` committed entries is on disk only. */
  function restarted(count: number, config: object = {}, peek = false): Member {
    const disk = new Disk(confStateOf([1]));
    disk.outline.reset({ index: 1, term: 1 });
    disk.applied = 1;
    disk.append(Array.from({ length: count }, (_, i) => new Entry(1, 2 + i, 0, bytes(`p${String(i)}`))));
    disk.hardState = { term: 1, vote: 1, commit: 1 + count };
    const peeks = { entries: disk.read.bind(disk), snapshot: () => undefined };
    return new Member(
      { id: 1, random: seeded(1), entryCacheBytes: 0, peek: peek ? peeks : undefined, ...config },
      disk,
    );
  }

  function run(member: Member): void {
    while (
      member.node.hasReady() ||
      member.appends.length + member.applies.length + member.fetches.length > 0
    ) {
      member.takeReady();
      member.doAppend();
      member.doApply();
      member.answerFetch();
    }
  }

  test('a restarted member asks for what it has to apply, page by page', () => {
    const member = restarted(20, { maxCommittedSizePerReady: 80 });
    run(member);
    expect(member.disk.state).toEqual(Array.from({ length: 20 }, (_, i) => `p${String(i)}`));
    const fetches = member.readies.flatMap((r) => r.fetches);
    expect(fetches.length).toBeGreaterThan(5);
    expect(fetches.every((f) => f.purpose === 'apply' && f.maxBytes <= 80)).toBe(true);
  });

  test.each([true, false])(
    'the pages are those that a peek would have given (asyncStorageWrites=%s)',
    (asyncStorageWrites) => {
      const pages = (peek: boolean): number[] => {
        const member = restarted(20, { maxCommittedSizePerReady: 100, asyncStorageWrites }, peek);
        run(member);
        return member.readies.map((r) => r.committedEntries.length).filter((n) => n > 0);
      };
      expect(pages(false)).toEqual(pages(true));
    },
  );

  test('at most one read to apply is outstanding', () => {
    const member = restarted(5);
    member.takeReady();
    member.node.tick();
    member.takeReady();
    expect(member.fetches).toHaveLength(1);
    expect(member.node.hasReady()).toBe(false);
  });

  test('a failed read to apply is tried again after a tick, not before', () => {
    const member = restarted(5);
    member.takeReady();
    const [fetch] = member.fetches.splice(0);
    member.node.fetchFailed(fetch?.id ?? 0, 'unavailable');
    expect(member.node.hasReady()).toBe(false);
    member.node.tick();
    expect(member.node.hasReady()).toBe(true);
    run(member);
    expect(member.disk.state).toHaveLength(5);
  });

  test('a snapshot that overtakes a read to apply makes its answer void', () => {
    const network = new Network();
    network.elect(1);
    network.propose(1, 'a', 'b');
    const member = restarted(3);
    member.takeReady();
    const fetch: Fetch | undefined = member.fetches[0];
    const snapshot = { metadata: { index: 50, term: 9, confState: confStateOf([1, 2]) }, data: bytes('[]') };
    if (fetch === undefined) throw new Error('nothing to work with');
    member.step(new Message(MessageType.MsgSnap, { from: 2, to: 1, term: 9, snapshot }));
    member.node.fetched(fetch.id, member.disk.entries);
    run(member);
    expect(member.disk).toMatchObject({ applied: 50, state: [] });
  });
});

describe('snapshots', () => {
  /** The leader has compacted what 3 needs. */
  function compacted(): Network {
    const network = behind(['a', 'b', 'c']);
    network.member(1).compact(4);
    network.heartbeat(1);
    return network;
  }

  test('one is asked for when next - 1 lies below the boundary, and installed', () => {
    const network = compacted();
    expect(network.member(1).fetches).toMatchObject([{ purpose: 'snapshot', to: 3, minIndex: 4 }]);
    network.heartbeat(1);
    expect(network.member(1).fetches).toHaveLength(1);
    network.member(1).answerFetch();
    expect(peerOf(network, 3)).toMatchObject({ state: ProgressState.Snapshot, pendingSnapshot: 5 });
    network.stabilize();
    expect(network.states()[2]).toEqual(['a', 'b', 'c']);
    expect(peerOf(network, 3)?.state).toBe(ProgressState.Replicate);
  });

  test('one that the log has been compacted past meanwhile is refused, and asked for again', () => {
    const network = compacted();
    const member = network.member(1);
    const old = member.disk.snapshot();
    network.propose(1, 'd', 'e');
    member.compact(7);
    const [fetch] = member.fetches.splice(0);
    member.node.snapshotReady(fetch?.id ?? 0, old);
    expect(peerOf(network, 3)?.state).toBe(ProgressState.Probe);
    network.heartbeat(1);
    expect(member.fetches).toMatchObject([{ purpose: 'snapshot', minIndex: 7 }]);
    member.holdFetches = false;
    network.stabilize();
    expect(network.states()[2]).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  test('one that comes after a step-down, or after the follower caught up, is dropped', () => {
    const network = compacted();
    const [fetch] = network.member(1).fetches.splice(0);
    network.elect(2);
    network.stabilize();
    if (fetch !== undefined) network.member(1).answer(fetch);
    expect(network.node(1).hasReady()).toBe(false);
    expect(network.node(1).state).toBe(StateType.Follower);
  });

  test('a failed one is tried again on the next heartbeat response', () => {
    const network = compacted();
    const [fetch] = network.member(1).fetches.splice(0);
    network.node(1).fetchFailed(fetch?.id ?? 0, 'unavailable');
    expect(network.node(1).hasReady()).toBe(false);
    network.heartbeat(1);
    expect(network.member(1).fetches).toHaveLength(1);
  });

  test('one whose transfer failed is sent again after a heartbeat', () => {
    const network = compacted();
    network.drop = (m) => m.type === MessageType.MsgSnap;
    network.member(1).answerFetch();
    network.stabilize();
    expect(peerOf(network, 3)).toMatchObject({ state: ProgressState.Probe, paused: true });
    network.drop = () => false;
    network.member(1).holdFetches = false;
    network.heartbeat(1);
    expect(network.states()[2]).toEqual(['a', 'b', 'c']);
  });

  test('none is sent to a follower that was not heard of lately', () => {
    const network = new Network({ config: { entryCacheBytes: 0 } });
    network.isolate(3);
    network.elect(1);
    network.propose(1, 'a');
    network.member(1).compact(3);
    network.node(1).reportUnreachable(3);
    network.heartbeat(1);
    expect(
      network
        .member(1)
        .readies.flatMap((r) => r.fetches)
        .filter((f) => f.purpose === 'snapshot'),
    ).toEqual([]);
  });

  test('a follower whose log already has the snapshot only moves its commit index', () => {
    const network = new Network();
    network.elect(1);
    network.propose(1, 'a');
    const member = network.member(2);
    const { term } = network.node(1);
    const last = member.node.lastIndex;
    member.step(
      new Message(MessageType.MsgApp, {
        from: 1,
        to: 2,
        term,
        index: last,
        logTerm: term,
        commit: 0,
        entries: [new Entry(term, last + 1, 0, bytes('b'))],
      }),
    );
    const snapshot = {
      metadata: { index: last + 1, term, confState: confStateOf([1, 2, 3]) },
      data: bytes('[]'),
    };
    member.step(new Message(MessageType.MsgSnap, { from: 1, to: 2, term, snapshot }));
    const ready = member.node.ready();
    expect(ready.snapshot).toBeUndefined();
    expect(member.node.committed).toBe(last + 1);
  });
});

describe('the cache', () => {
  /** Everything that leaves a leader while a follower comes back, with or without a peek. */
  function trace(options: { peek: boolean; entryCacheBytes: number }): string[] {
    const network = new Network({
      peek: options.peek,
      config: { entryCacheBytes: options.entryCacheBytes, maxSizePerMsg: 90 },
    });
    network.elect(1);
    network.isolate(3);
    network.propose(1, ...Array.from({ length: 12 }, (_, i) => `v${String(i)}`));
    network.isolate();
    network.sent.length = 0;
    for (let i = 0; i < 3; i++) network.heartbeat(1);
    expect(network.states()[2]).toEqual(network.states()[0]);
    return sentTo(network, 3).map((m) => `${String(m.index)}:${String(m.entries.length)}`);
  }

  test('changes no message: tiny cache with fetches, large cache, and a peek that always answers', () => {
    const withPeek = trace({ peek: true, entryCacheBytes: 0 });
    expect(trace({ peek: false, entryCacheBytes: 1 << 20 })).toEqual(withPeek);
    const last = (pages: string[]): string[] => pages.filter((page) => !page.endsWith(':0'));
    expect(last(trace({ peek: false, entryCacheBytes: 0 }))).toEqual(last(withPeek));
    expect(last(trace({ peek: false, entryCacheBytes: 100 }))).toEqual(last(withPeek));
  });

  test('saves the fetches as long as it reaches back far enough', () => {
    const network = new Network({ config: { entryCacheBytes: 1 << 20 } });
    network.elect(1);
    network.isolate(3);
    network.propose(1, 'a', 'b');
    network.isolate();
    network.heartbeat(1);
    expect(network.member(1).readies.flatMap((r) => r.fetches)).toEqual([]);
    expect(network.states()[2]).toEqual(['a', 'b']);
  });
});

test('compacting past the applied index is refused', () => {
  const network = new Network();
  network.elect(1);
  network.propose(1, 'a');
  const { node } = network.member(1);
  expect(() => {
    node.compacted(node.applied + 1);
  }).toThrow(expect.objectContaining({ code: 'OUT_OF_RANGE' }));
  node.compacted(node.applied);
  node.compacted(1);
  expect(node.status().firstIndex).toBe(node.applied + 1);
});
