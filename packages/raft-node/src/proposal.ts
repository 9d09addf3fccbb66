/** One proposal on its way, and the ways in which it can fail. */
import {
  BalsaError,
  isBalsaError,
  type ConfState,
  type Entry,
  type Env,
  type LogIndex,
  type NodeId,
  type Term,
} from '@balsa/raft-core';
import { Call, type CallOptions } from './call.ts';
import { bodySize, type ProposalBody } from './forwarding.ts';

/** What a proposal resolves with: the result of a command, or the membership after a change. */
export type Outcome<R> = R | ConfState;

/** Something to put into the log of this leader: an own proposal, or one of a follower. */
export interface Intake<R> {
  readonly body: ProposalBody;
  readonly own: Own<R> | undefined;
  readonly from: NodeId;
  readonly counter: number;
}

/** A proposal of this node, until its outcome is known, and who waits for that. */
export class Own<R> extends Call<Outcome<R>> implements Intake<R> {
  readonly counter: number;
  readonly body: ProposalBody;
  readonly size: number;
  readonly from: NodeId = 0;
  state: 'queued' | 'forwarded' | 'placed' = 'queued';
  /** The leader that it was forwarded to, and in which term. */
  leader: NodeId = 0;
  term: Term = 0;
  /** Known once `placed`. */
  index: LogIndex = 0;

  readonly #onEnded: (own: Own<R>, code: string) => void;

  /** `onEnded` gets `ok` or the code of the error. */
  constructor(
    counter: number,
    body: ProposalBody,
    env: Env,
    options: CallOptions,
    defaultTimeoutMs: number,
    onEnded: (own: Own<R>, code: string) => void,
  ) {
    super(env, options, defaultTimeoutMs);
    this.counter = counter;
    this.body = body;
    this.size = bodySize(body);
    this.#onEnded = onEnded;
  }

  get own(): this {
    return this;
  }

  protected override ended(code: string): void {
    this.#onEnded(this, code);
  }
}

export function unknown(why: string): BalsaError {
  return new BalsaError('UNKNOWN_OUTCOME', why);
}

export function overwritten(
  own: { readonly index: LogIndex; readonly term: Term; readonly body: ProposalBody },
  entry: Entry,
): BalsaError {
  // The core replaces a change that the membership does not allow by an empty entry at the same place.
  if (own.body.kind === 'change' && entry.term === own.term && entry.data.length === 0) {
    return new BalsaError(
      'CONF_CHANGE_INVALID',
      'the present membership does not allow this change, or another change is not finished yet',
    );
  }
  const text = `another leader put an entry of term ${String(entry.term)} at index ${String(own.index)}, where this proposal of term ${String(own.term)} was`;
  return new BalsaError('PROPOSAL_DROPPED', text, { details: { index: own.index } });
}

export function dropped(error: unknown): BalsaError {
  if (isBalsaError(error, 'INVARIANT_BROKEN') || !isBalsaError(error)) throw error;
  return error;
}
