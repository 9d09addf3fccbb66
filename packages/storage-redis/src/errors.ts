/** What every adapter says alike, and what only a server brings about. */
import { BalsaError } from '@balsa/raft-core';

export { corrupt, poisoned, refusal as refused, unknownOutcome } from '@balsa/storage-kit';

export function fenced(what: string): BalsaError {
  return new BalsaError('STORE_FENCED', `${what}: another engine has taken over this prefix of the server`);
}

export function closedError(what: string): BalsaError {
  return new BalsaError('STORE_CLOSED', `${what} is closed`);
}
