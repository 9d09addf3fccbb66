import { describe, expect, test } from 'vitest';
import { Entry, RawNode, StateType, type HardState } from '../src/index.ts';
import { confStateOf, Disk, Network, seeded } from './network/network.ts';

describe('restart', () => {
  test('a cluster goes on after all members lost everything but their disks', () => {
    const network = new Network();
    network.elect(1);
    network.propose(1, 'a', 'b');
    for (const member of network.members.values()) member.restart();
    network.wire.length = 0;
    expect(network.node(1)).toMatchObject({ state: StateType.Follower, term: 1, leader: 0 });
    network.elect(2);
    network.propose(2, 'c');
    expect(network.states()).toEqual([
      ['a', 'b', 'c'],
      ['a', 'b', 'c'],
      ['a', 'b', 'c'],
    ]);
  });

  test('what was applied before is not handed out again', () => {
    const network = new Network({ voters: [1] });
    network.elect(1);
    network.propose(1, 'a');
    const member = network.member(1);
    const { applied } = member.node;
    member.restart();
    expect(member.node).toMatchObject({ applied, committed: applied });
    expect(member.node.hasReady()).toBe(false);
  });

  test('what was committed but not applied is handed out', () => {
    const network = new Network({ voters: [1] });
    network.elect(1);
    network.propose(1, 'a', 'b');
    const member = network.member(1);
    member.disk.applied -= 1;
    member.disk.state.pop();
    member.restart();
    network.stabilize();
    expect(member.disk.state).toEqual(['a', 'b']);
  });

  test('a write that was under way is lost, and neither its vote nor its ack was given', () => {
    const network = new Network();
    const member = network.member(1);
    member.node.campaign();
    network.put(member.takeReady());
    expect(network.wire.every((m) => m.to !== 1)).toBe(true);
    member.restart();
    expect(member.node).toMatchObject({ term: 0, state: StateType.Follower });
  });

  const start = (
    hardState: HardState,
    applied: number,
    changes: (disk: Disk) => void = () => undefined,
  ): RawNode => {
    const disk = new Disk(confStateOf([1, 2, 3]));
    disk.outline.reset({ index: 5, term: 1 });
    disk.append([new Entry(1, 6), new Entry(2, 7)]);
    changes(disk);
    return new RawNode(
      { id: 1, random: seeded(1), applied },
      { hardState, confState: disk.confState, outline: disk.outline.toData() },
    );
  };

  test.each([
    ['a commit index beyond the log', { term: 2, vote: 0, commit: 8 }, 0],
    ['an applied index beyond the commit index', { term: 2, vote: 0, commit: 6 }, 7],
    ['an applied index below the boundary', { term: 2, vote: 0, commit: 6 }, 4],
  ])('%s is refused', (_what, hardState, applied) => {
    expect(() => start(hardState, applied)).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG' }));
  });

  test('a membership that contradicts itself is refused', () => {
    const voters = { term: 2, vote: 0, commit: 6 };
    const learner = (disk: Disk): void => {
      disk.confState = { ...disk.confState, learners: [3] };
    };
    expect(() => start(voters, 0, learner)).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG' }));
  });

  test('a commit index that trails the boundary is raised to it', () => {
    expect(start({ term: 2, vote: 0, commit: 0 }, 0)).toMatchObject({
      committed: 5,
      applied: 5,
      lastIndex: 7,
    });
  });
});
