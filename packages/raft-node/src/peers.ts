/** Keeps the transport's peers in line with the membership and the address book. */
import {
  LogLevel,
  StateType,
  type ConfState,
  type Logger,
  type NodeId,
  type RaftCore,
  type Transport,
} from '@balsa/raft-core';
import type { AddressBook } from './address-book.ts';
import { encodeFrame } from './forwarding.ts';
import { allIds, isRemoved } from './membership.ts';
import type { Member, NodeSettings } from './options.ts';

/** Ticks that a removed peer stays connected, so that it hears of its removal. */
const farewellTicks = 2;
/** Addresses come from the wire: no more than so many are taken on trust. */
const maxHinted = 64;

export class Peers {
  readonly #id: NodeId;
  readonly #group: string;
  readonly #transport: Transport;
  readonly #book: AddressBook;
  readonly #log: Logger;
  readonly #addresses = new Map<NodeId, string>();
  readonly #leaving = new Map<NodeId, number>();
  /** Known by hearsay, and not members as far as this node has applied the log. */
  readonly #hinted = new Set<NodeId>();
  #removed = false;

  constructor(
    { id, group }: Pick<NodeSettings, 'id' | 'group'>,
    transport: Transport,
    book: AddressBook,
    log: Logger,
  ) {
    this.#id = id;
    this.#group = group;
    this.#transport = transport;
    this.#book = book;
    this.#log = log;
  }

  /** Whether this node is a member no more. */
  get removed(): boolean {
    return this.#removed;
  }

  sync(confState: ConfState): void {
    const ids = allIds(confState);
    this.#removed = isRemoved(confState, this.#id, this.#book);
    // Without a membership yet, everybody that is known may be the one who brings it.
    const wanted = ids.size === 0 ? new Set(this.#book.members.map((member) => member.id)) : ids;
    for (const id of wanted) this.#connect(id);
    for (const id of wanted) this.#hinted.delete(id);
    for (const id of this.#addresses.keys()) {
      const hinted = this.#hinted.has(id) && !this.#book.wasRemoved(id);
      if (!wanted.has(id) && !hinted) this.#leaving.set(id, this.#leaving.get(id) ?? farewellTicks);
    }
  }

  /**
   * Addresses that a peer tells. A member that was cut off while all others were replaced knows of none of
   * those who could bring it up to date, and could not answer them: it stays connected to who it is told of.
   */
  learn(members: readonly Member[]): void {
    for (const member of members) {
      if (member.id === this.#id || this.#addresses.has(member.id)) continue;
      if (this.#hinted.size >= maxHinted || this.#book.wasRemoved(member.id)) continue;
      // An address may be recorded already, and the membership that it came with not.
      this.#book.hint(member);
      this.#hinted.add(member.id);
      this.#connect(member.id);
    }
  }

  /**
   * A new member knows nobody, and could not even answer: it is told where the others are, until it has
   * something of the log. Who campaigns cannot tell who is new, and needs the votes of such, too.
   */
  introduce(core: RaftCore): void {
    if (core.state === StateType.Follower) return;
    const { progress, confState } = core.status();
    const leads = core.state === StateType.Leader;
    const strangers = leads
      ? progress.filter(({ match }) => match === 0).map(({ id }) => id)
      : allIds(confState);
    for (const id of strangers) {
      if (id === this.#id) continue;
      const frame = encodeFrame({ type: 'members', members: this.#book.members });
      this.#transport.sendControl(this.#group, id, frame);
    }
  }

  tick(): void {
    for (const [id, ticks] of this.#leaving) {
      if (ticks > 1) {
        this.#leaving.set(id, ticks - 1);
        continue;
      }
      this.#leaving.delete(id);
      this.#addresses.delete(id);
      this.#transport.removePeer(id);
    }
  }

  #connect(id: NodeId): void {
    this.#leaving.delete(id);
    const address = this.#book.address(id);
    if (id === this.#id || address === undefined || this.#addresses.get(id) === address) return;
    this.#addresses.set(id, address);
    try {
      this.#transport.setPeer(id, address);
    } catch (error) {
      // It came from the log or from a peer: whatever it is, this node goes on with the others.
      this.#log.log(LogLevel.Error, `node ${String(id)} cannot be reached: ${String(error)}`, { error });
    }
  }
}
