/**
 * The leader's lease (thesis §6.4.1): for how long it may answer reads without asking.
 *
 * A follower with `checkQuorum` that hears a heartbeat helps nobody else to lead for `electionTick` ticks of
 * its own. So from the moment at which the leader SENT heartbeats that a quorum answered, no other leader can
 * arise for nearly that long. Rules that count from when answers came, as a check of the quorum does, would
 * trust the lease for up to twice the time that it holds.
 */

interface Round {
  readonly number: number;
  readonly tick: number;
}

export class Lease {
  /** In ticks; shorter than `electionTick` by one, since a follower's first tick may come at once, and by a tenth of the rest for drift. */
  readonly #length: number;
  #now = 0;
  #rounds: Round[] = [];
  #heldFrom = -Infinity;
  #broken = false;

  constructor(electionTick: number) {
    this.#length = Math.floor(((electionTick - 1) * 9) / 10);
  }

  /** Heartbeats with this number leave now. */
  note(number: number): void {
    // One for each tick is enough: the first, which any later answer confirms too.
    if (this.#rounds.at(-1)?.tick !== this.#now) this.#rounds.push({ number, tick: this.#now });
  }

  /** So many ticks have passed, whether the core was told of them one by one or not. */
  pass(ticks: number): void {
    this.#now += ticks;
    // Rounds as old as the lease is long prove nothing any more.
    while ((this.#rounds[0]?.tick ?? Infinity) <= this.#now - this.#length) this.#rounds.shift();
  }

  /** A quorum has answered the round `number`, and with it all earlier ones. */
  confirm(number: number): void {
    for (const round of this.#rounds)
      if (round.number <= number) this.#heldFrom = Math.max(this.#heldFrom, round.tick);
  }

  /** A member was told to campaign, against any lease, and the message may arrive at any time in this term. */
  break(): void {
    this.#broken = true;
  }

  get holds(): boolean {
    return !this.#broken && this.#now - this.#heldFrom < this.#length;
  }
}
