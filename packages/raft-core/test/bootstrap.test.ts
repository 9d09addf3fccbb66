/** etcd's bootstrap of a cluster by entries. */
import { describe, expect, test } from 'vitest';
import { decodeConfChange, EmptyConfState, EntryType, StateType } from '../src/index.ts';
import { bytes, confStateOf, Disk, Member, seeded } from './network/network.ts';

const blank = (id: number): Member =>
  new Member({ id, random: seeded(id), preVote: false, checkQuorum: false }, new Disk(EmptyConfState));

const refused = expect.objectContaining({ code: 'INVALID_ARGUMENT' }) as Error;

describe('bootstrap', () => {
  test('makes one committed membership change of term 1 for each peer, and they are members at once', () => {
    const { node } = blank(1);
    node.bootstrap([{ id: 1, context: bytes('first') }, { id: 2 }, { id: 3 }]);
    expect(node).toMatchObject({
      term: 1,
      committed: 3,
      lastIndex: 3,
      applied: 0,
      state: StateType.Follower,
    });
    expect(node.status().confState).toEqual(confStateOf([1, 2, 3]));
    const ready = node.ready();
    expect(ready).toMatchObject({ mustSync: true, hardState: { term: 1, vote: 0, commit: 3 } });
    expect(ready.entries.map((e) => [e.term, e.index, e.type])).toEqual(
      [1, 2, 3].map((index) => [1, index, EntryType.ConfChange]),
    );
    const changes = ready.entries.map((e) => decodeConfChange(e.type, e.data));
    expect(changes.map((c) => c.version === 1 && c.nodeId)).toEqual([1, 2, 3]);
    expect(changes[0]?.context).toEqual(bytes('first'));
  });

  test('members that were bootstrapped alike elect a leader and replicate', () => {
    const members = [1, 2, 3].map(blank);
    for (const { node } of members) node.bootstrap([1, 2, 3].map((id) => ({ id })));
    const run = (): void => {
      for (let busy = true; busy;) {
        busy = false;
        for (const member of members) {
          const out = [...member.takeReady(), ...member.doAppend(), ...member.doApply()];
          for (const message of out) members[message.to - 1]?.step(message);
          if (out.length > 0 || member.node.hasReady() || member.appends.length + member.applies.length > 0)
            busy = true;
        }
      }
    };
    run();
    members[0]?.node.campaign();
    run();
    members[0]?.node.propose(bytes('a'));
    run();
    expect(members.map(({ disk }) => disk.state)).toEqual([['a'], ['a'], ['a']]);
    expect(members[2]?.disk.confState).toEqual(confStateOf([1, 2, 3]));
  });

  test('nobody campaigns before the founding entries are applied', () => {
    const { node } = blank(1);
    node.bootstrap([{ id: 1 }]);
    node.campaign();
    expect(node.state).toBe(StateType.Follower);
  });

  test('is refused on a log that is not empty, without peers, and with peers that repeat or are 0', () => {
    for (const ids of [[], [1, 1], [0, 1]]) {
      const { node } = blank(1);
      expect(() => {
        node.bootstrap(ids.map((id) => ({ id })));
      }).toThrow(refused);
      expect(node).toMatchObject({ term: 0, lastIndex: 0 });
    }
    const { node } = blank(1);
    node.bootstrap([{ id: 1 }]);
    expect(() => {
      node.bootstrap([{ id: 1 }]);
    }).toThrow(refused);
  });
});
