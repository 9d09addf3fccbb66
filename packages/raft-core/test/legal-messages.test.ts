/** Whatever a correct member once sent may come late, twice, or in any order: nobody throws because of it. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ConfChangeType, EmptyBytes, isBalsaError, MessageType, type RawNodeConfig } from '../src/index.ts';
import { bytes, Network } from './network/network.ts';

/** How a legal message may be refused: its sender is gone, or it proposes where nobody can take it. */
const fair = new Set(['STEP_PEER_NOT_FOUND', 'PROPOSAL_DROPPED']);

const action = fc.record({
  kind: fc.constantFrom(
    ...['deliver', 'deliver', 'deliver', 'deliver', 'work', 'work', 'work', 'settle', 'tick'],
    ...['campaign', 'propose', 'read', 'change', 'restart', 'compact', 'transfer'],
  ),
  id: fc.integer({ min: 1, max: 4 }),
  at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
});
type Action = { kind: string; id: number; at: number };

function perform(network: Network, { kind, id, at }: Action): void {
  const member = network.member(id);
  if (kind === 'deliver') {
    // Any message that was ever sent, however long ago and however often it came.
    const message = network.sent[Math.floor(at * network.sent.length)];
    if (message !== undefined && message.type !== MessageType.MsgSnap) network.deliver(message);
    else if (message !== undefined) network.member(message.to).step(message);
  } else if (kind === 'work') {
    network.put([...member.takeReady(), ...member.doAppend(), ...member.doApply()]);
    member.answerFetch();
  } else if (kind === 'settle') network.stabilize();
  else if (kind === 'tick') network.tick(id, 1 + Math.floor(at * 12));
  else if (kind === 'campaign') member.node.campaign();
  else if (kind === 'read') member.node.readIndex(bytes(`r${String(at)}`));
  else if (kind === 'transfer') member.node.transferLeader(1 + Math.floor(at * 4));
  else if (kind === 'restart') member.restart();
  else if (kind === 'compact') {
    const index = Math.min(member.node.applied, member.disk.applied);
    if (index >= member.disk.outline.firstIndex) member.compact(index);
  } else propose(network, kind, id, at);
}

function propose(network: Network, kind: string, id: number, at: number): void {
  const { node } = network.member(id);
  try {
    if (kind === 'propose') node.propose(bytes(`p${String(at)}`));
    else {
      const type = at < 0.4 ? ConfChangeType.RemoveNode : ConfChangeType.AddNode;
      node.proposeConfChange({
        version: 2,
        transition: 0,
        changes: [{ type, nodeId: 4 }],
        context: EmptyBytes,
      });
    }
  } catch (error) {
    if (!isBalsaError(error, 'PROPOSAL_DROPPED')) throw error;
  }
}

test.each<[string, Partial<RawNodeConfig>]>([
  ['as they are', {}],
  [
    'with pre-vote, the check of the quorum and no cache',
    { preVote: true, checkQuorum: true, entryCacheBytes: 0 },
  ],
  ['with small windows and batched appends', { maxInflightMsgs: 2, maxSizePerMsg: 40, batchAppend: true }],
])(
  'legal messages, doubled, stale and out of order, are never more than refused, members %s',
  (_, config) => {
    fc.assert(
      fc.property(
        fc.array(action, { minLength: 20, maxLength: 150 }),
        fc.integer({ min: 1, max: 1000 }),
        (actions, seed) => {
          const network = new Network({ blank: [4], seed, config });
          network.elect(1);
          network.propose(1, 'a');
          for (const next of actions) perform(network, next);
          network.stabilize();
          for (const member of network.members.values())
            expect(member.refusals.filter((code) => !fair.has(code))).toEqual([]);
        },
      ),
      { numRuns: 60 },
    );
  },
);
