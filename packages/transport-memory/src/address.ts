/** How members of a memory network are named: `memory:7`, or the bare number. */
import { BalsaError, type NodeId, type PeerAddress } from '@balsa/raft-core';

/** The address of a node on any memory network. */
export function memoryAddress(nodeId: NodeId): PeerAddress {
  return `memory:${String(nodeId)}`;
}

/** The inverse of `memoryAddress`. */
export function parseMemoryAddress(address: PeerAddress): NodeId {
  const match = /^(?:memory:)?([1-9]\d{0,14})$/.exec(address);
  if (match === null)
    throw new BalsaError('INVALID_ARGUMENT', `"${address}" is not an address: write memory:ID`);
  return Number(match[1]);
}
