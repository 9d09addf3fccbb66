/** A leader that hears from no quorum gives up (thesis §6.2), where `checkQuorum` is on. */
import { majority, MessageType, StateType, type Message, type NodeId, type RaftCore } from '@balsa/raft-core';

/** Election timeouts after which it must have: two by its own rules, and more where a transfer starts the count anew. */
const patience = 5;

class Attention {
  readonly #core: RaftCore;
  readonly #electionTick: number;
  /** Ticks that the core was told of. */
  #now = 0;
  #leadsSince = 0;
  #lookAt = 0;
  /** The voters at the last look, and since when it is they. */
  #voters = '';
  #votersSince = 0;
  readonly #heard = new Map<NodeId, number>();

  constructor(core: RaftCore, electionTick: number) {
    this.#core = core;
    this.#electionTick = electionTick;
  }

  stepped({ type, from, term }: Message): void {
    const answers = type === MessageType.MsgAppResp || type === MessageType.MsgHeartbeatResp;
    if (answers && term === this.#core.term) this.#heard.set(from, this.#now);
  }

  /** After a tick: says what is wrong, if anything. */
  ticked(): string | undefined {
    this.#now++;
    const bound = patience * this.#electionTick;
    if (this.#core.state !== StateType.Leader) {
      this.#leadsSince = this.#now;
      this.#lookAt = this.#now + this.#electionTick;
      this.#voters = '';
      return undefined;
    }
    // To ask a core for its status costs more than a tick.
    if (this.#now < this.#lookAt) return undefined;
    this.#lookAt = this.#now + this.#electionTick;
    const { id, confState } = this.#core.status();
    const voters = JSON.stringify([confState.voters, confState.votersOutgoing]);
    // Of a quorum before this one, somebody may have answered all along.
    if (voters !== this.#voters) {
      this.#votersSince = this.#voters === '' ? this.#leadsSince : this.#now;
      this.#voters = voters;
    }
    for (const half of [confState.voters, confState.votersOutgoing]) {
      const deaf = half.filter((voter) => voter !== id && this.#silence(voter) > bound);
      if (half.length - deaf.length >= majority(half.length) || half.length === 0) continue;
      return `leads on, though for ${bound} ticks it has heard nothing of [${deaf.join(', ')}] of the voters [${half.join(', ')}]`;
    }
    return undefined;
  }

  #silence(voter: NodeId): number {
    const heard = this.#heard.get(voter);
    return this.#now - Math.max(heard ?? 0, this.#leadsSince, this.#votersSince);
  }
}

/** Looks after each tick. Undefined with 0 for the election timeout: then nobody has to give up. */
export function watchAttention(
  core: RaftCore,
  electionTick: number,
  complain: (text: string) => void,
): Attention | undefined {
  if (electionTick === 0) return undefined;
  const attention = new Attention(core, electionTick);
  const tick = core.tick.bind(core);
  core.tick = () => {
    tick();
    const text = attention.ticked();
    if (text !== undefined) complain(text);
  };
  return attention;
}
