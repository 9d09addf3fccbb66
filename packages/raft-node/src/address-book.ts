/**
 * Who listens where, and which ids are used up.
 *
 * Kept in an ordered store of the node's own engine, because the log that told it gets compacted. A new
 * member learns it from the snapshot it receives. Addresses from the configuration win over these.
 */
import type { NodeId, OrderedStore } from '@balsa/raft-core';
import { ByteReader, ByteWriter } from './bytes.ts';
import type { Member } from './options.ts';

/** Name of the ordered store of group `main`; other groups append theirs. */
export const addressStoreName = 'balsa.members';

const present = 1;
const gone = 0;
/** At the end of a key whose value is the store incarnation of a member. */
const incarnationKey = 1;
/** Members and removed ids of one group that are read in one page. */
const pageSize = 1024;

export class AddressBook {
  readonly #store: OrderedStore;
  readonly #prefix: Uint8Array;
  readonly #configured = new Map<NodeId, string>();
  readonly #recorded = new Map<NodeId, string>();
  readonly #removed = new Set<NodeId>();
  readonly #incarnations = new Map<NodeId, string>();
  #joined = false;
  /** One write at a time: they come from different sides. */
  #writing: Promise<void> = Promise.resolve();

  constructor(store: OrderedStore, group: string, configured: readonly Member[]) {
    this.#store = store;
    // A length in front keeps groups apart even when one name begins with another.
    this.#prefix = new ByteWriter().text(group).finish();
    for (const member of configured) this.#configured.set(member.id, member.address);
  }

  async open(): Promise<void> {
    await this.#store.open();
    let gt: Uint8Array | undefined;
    for (;;) {
      const range = gt === undefined ? { gte: this.#prefix } : { gt };
      const page = await this.#store.range({ ...range, lt: after(this.#prefix), limit: pageSize });
      for (const { key, value } of page) this.#load(key, value);
      gt = page.at(-1)?.key;
      if (gt === undefined || page.length < pageSize) return;
    }
  }

  /** Whether this group was started to join a cluster rather than to found one. */
  get joined(): boolean {
    return this.#joined;
  }

  /** Of a removed member, too: the membership without it may not be durable yet, and then its vote is still needed. */
  address(id: NodeId): string | undefined {
    return this.#configured.get(id) ?? this.#recorded.get(id);
  }

  wasRemoved(id: NodeId): boolean {
    return this.#removed.has(id);
  }

  get removed(): NodeId[] {
    return [...this.#removed].sort((a, b) => a - b);
  }

  /** Everybody who is known and was not removed, in order of id. */
  get members(): Member[] {
    const all = new Map([...this.#recorded, ...this.#configured]);
    return [...all]
      .filter(([id]) => !this.#removed.has(id))
      .map(([id, address]) => ({ id, address }))
      .sort((a, b) => a.id - b.id);
  }

  /** Remembers an address until the next start only. Never replaces a better known one. */
  hint(member: Member): void {
    if (this.address(member.id) === undefined) this.#configured.set(member.id, member.address);
  }

  /** Durable when it resolves. Repeating it is harmless. */
  async record(members: readonly Member[], removed: readonly NodeId[]): Promise<void> {
    const changes: [Uint8Array, Uint8Array][] = [];
    for (const { id, address } of members) {
      if (this.#recorded.get(id) === address && !this.#removed.has(id)) continue;
      this.#recorded.set(id, address);
      this.#removed.delete(id);
      changes.push([this.#key(id), new ByteWriter().u8(present).text(address).finish()]);
    }
    for (const id of removed) {
      if (this.#removed.has(id)) continue;
      this.#removed.add(id);
      const address = this.address(id);
      const value = new ByteWriter().u8(gone);
      changes.push([this.#key(id), (address === undefined ? value : value.text(address)).finish()]);
    }
    await this.#write(changes);
  }

  /** The store incarnation that this node first met under that id. */
  incarnation(id: NodeId): string | undefined {
    return this.#incarnations.get(id);
  }

  /** Durable when it resolves. The first one stays. */
  async recordIncarnation(id: NodeId, incarnation: string): Promise<void> {
    if (this.#incarnations.has(id)) {
      await this.#writing;
      return;
    }
    this.#incarnations.set(id, incarnation);
    const key = new ByteWriter().raw(this.#key(id)).u8(incarnationKey).finish();
    await this.#write([[key, new ByteWriter().text(incarnation).finish()]]);
  }

  async markJoined(): Promise<void> {
    this.#joined = true;
    await this.#write([[this.#key(0), Uint8Array.of(present)]]);
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  async #write(changes: readonly (readonly [Uint8Array, Uint8Array])[]): Promise<void> {
    const before = this.#writing;
    // What nothing changes may still be on its way to the disk.
    if (changes.length === 0) {
      await before;
      return;
    }
    const work = (async (): Promise<void> => {
      // Its error went to whoever asked for that write; this one finds out for itself.
      await before.catch(() => undefined);
      await this.#store.write({ changes, appliedIndex: 0 });
      await this.#store.sync();
    })();
    this.#writing = work;
    await work;
  }

  #load(key: Uint8Array, value: Uint8Array): void {
    const keyReader = new ByteReader(key.subarray(this.#prefix.length), 'key of the address book');
    const id = keyReader.u64();
    const reader = new ByteReader(value, 'address book');
    if (keyReader.more) {
      this.#incarnations.set(id, reader.text());
      return;
    }
    const state = reader.u8();
    if (id === 0) {
      this.#joined = true;
      return;
    }
    if (state === gone) this.#removed.add(id);
    if (reader.more) this.#recorded.set(id, reader.text());
  }

  /** Id 0 is no member: its key holds the mark of a joined group. */
  #key(id: NodeId): Uint8Array {
    return new ByteWriter().raw(this.#prefix).u64(id).finish();
  }
}

/** The least key above every key that begins with `prefix`, whose last byte is never 255 in UTF-8. */
function after(prefix: Uint8Array): Uint8Array {
  const bytes = prefix.slice();
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) + 1;
  return bytes;
}

/** What the book of `group` says, for tools that look at data at rest. */
export interface RecordedAddresses {
  readonly members: readonly Member[];
  /** Ids that were members once and never come back. */
  readonly removed: readonly NodeId[];
  /** Whether the node was started to join a cluster rather than to found one. */
  readonly joined: boolean;
}

/** Opens the store of the book and leaves it open. */
export async function readAddresses(store: OrderedStore, group: string): Promise<RecordedAddresses> {
  const book = new AddressBook(store, group, []);
  await book.open();
  const { members, removed, joined } = book;
  return { members, removed, joined };
}
