import { describe, expect, test } from 'vitest';
import { StateType } from '../src/index.ts';
import { Network } from './network/network.ts';

describe.each([true, false])('asyncStorageWrites=%s', (asyncStorageWrites) => {
  test('three members elect a leader and apply what it takes', () => {
    const network = new Network({ config: { asyncStorageWrites } });
    network.elect(1);
    expect(network.node(1).state).toBe(StateType.Leader);
    network.propose(1, 'a', 'b');
    network.propose(2, 'c');
    expect(network.states()).toEqual([
      ['a', 'b', 'c'],
      ['a', 'b', 'c'],
      ['a', 'b', 'c'],
    ]);
  });
});
