/** One file of a simulated disk: what programs see, what is durable, and the changes in between. */
import type { Chance } from './chance.ts';

/** A sector is written whole or not at all. */
export const sectorBytes = 512;

/** Bytes that grow. */
class Content {
  bytes: Uint8Array = new Uint8Array(0);
  length = 0;

  write(data: Uint8Array, position: number): void {
    const end = position + data.length;
    if (end > this.bytes.length) {
      const grown = new Uint8Array(Math.max(end, this.bytes.length * 2, 1024));
      grown.set(this.bytes.subarray(0, this.length));
      this.bytes = grown;
    }
    this.bytes.set(data, position);
    this.length = Math.max(this.length, end);
  }

  truncate(size: number): void {
    if (size < this.length) this.bytes.fill(0, size, this.length);
    else if (size > this.bytes.length) this.write(new Uint8Array(size - this.length), this.length);
    this.length = size;
  }

  copyOf(other: Content): void {
    this.bytes = other.bytes.slice(0, other.length);
    this.length = other.length;
  }
}

type Change = { readonly order: number } & (
  | { readonly kind: 'write'; readonly position: number; readonly data: Uint8Array }
  | { readonly kind: 'truncate'; readonly size: number }
);

/** What a power cut leaves of changes that were not synced. */
export type Survival = 'nothing' | 'everything' | 'prefix' | 'anything';

/** Writes that a power cut found unsynced, and did not leave whole. */
export interface Losses {
  lost: number;
  torn: number;
}

export class Inode {
  readonly #cached = new Content();
  readonly #durable = new Content();
  #pending: Change[] = [];
  #order = 0;

  get size(): number {
    return this.#cached.length;
  }

  /** The newest change. A sync that begins now covers changes up to it, and none that come while it is under way. */
  get newest(): number {
    return this.#order;
  }

  read(buffer: Uint8Array, position: number): number {
    const end = Math.min(position + buffer.length, this.#cached.length);
    if (end <= position) return 0;
    buffer.set(this.#cached.bytes.subarray(position, end));
    return end - position;
  }

  write(data: Uint8Array, position: number): void {
    this.#cached.write(data, position);
    this.#pending.push({ order: ++this.#order, kind: 'write', position, data });
  }

  truncate(size: number): void {
    this.#cached.truncate(size);
    this.#pending.push({ order: ++this.#order, kind: 'truncate', size });
  }

  sync(upTo: number): void {
    const later = this.#pending.findIndex(({ order }) => order > upTo);
    for (const change of this.#pending.splice(0, later < 0 ? this.#pending.length : later))
      apply(this.#durable, change);
  }

  /** A sync that fails: some of the changes reached the disk, and nobody knows which. The others stay to be written. */
  syncPartly(chance: Chance): void {
    const cut = chance.below(this.#pending.length + 1);
    for (const change of this.#pending.slice(0, cut)) apply(this.#durable, change);
    this.#pending = this.#pending.slice(cut);
  }

  /** The power goes. Afterwards programs see what the disk holds. */
  losePower(survival: Survival, chance: Chance, losses: Losses): void {
    if (survival === 'everything') this.sync(this.#order);
    if (survival === 'nothing') losses.lost += this.#pending.length;
    if (survival === 'prefix') this.#keepPrefix(chance, losses);
    if (survival === 'anything')
      for (const change of this.#pending) keepSectors(this.#durable, change, chance, losses);
    this.#pending = [];
    this.#cached.copyOf(this.#durable);
  }

  /** Damages what is stored, behind everybody's back. */
  corrupt(position: number, change: (byte: number) => number): void {
    for (const content of [this.#cached, this.#durable]) {
      const byte = content.bytes[position];
      if (byte !== undefined && position < content.length) content.bytes[position] = change(byte);
    }
  }

  /** Sectors that land where they should not. */
  overwrite(position: number, data: Uint8Array): void {
    for (const content of [this.#cached, this.#durable]) {
      const room = content.length - position;
      if (room > 0) content.bytes.set(data.subarray(0, room), position);
    }
  }

  #keepPrefix(chance: Chance, losses: Losses): void {
    const cut = chance.below(this.#pending.length + 1);
    losses.lost += this.#pending.length - cut;
    for (const change of this.#pending.slice(0, cut)) apply(this.#durable, change);
    const torn = this.#pending[cut];
    if (torn?.kind !== 'write') return;
    // Up to the edge of a sector.
    const sectors =
      Math.ceil((torn.position + torn.data.length) / sectorBytes) - Math.floor(torn.position / sectorBytes);
    const edge = (Math.floor(torn.position / sectorBytes) + chance.below(sectors)) * sectorBytes;
    const length = Math.max(0, edge - torn.position);
    if (length === 0) return;
    this.#durable.write(torn.data.subarray(0, length), torn.position);
    losses.lost--;
    losses.torn++;
  }
}

function apply(content: Content, change: Change): void {
  if (change.kind === 'truncate') content.truncate(change.size);
  else content.write(change.data, change.position);
}

function keepSectors(content: Content, change: Change, chance: Chance, losses: Losses): void {
  if (change.kind === 'truncate') {
    if (chance.happens(0.5)) content.truncate(change.size);
    else losses.lost++;
    return;
  }
  const { position, data } = change;
  let kept = 0;
  for (let at = 0; at < data.length;) {
    const next = Math.min(data.length, at + sectorBytes - ((position + at) % sectorBytes));
    if (chance.happens(0.6)) {
      content.write(data.subarray(at, next), position + at);
      kept += next - at;
    }
    at = next;
  }
  if (kept === 0) losses.lost++;
  else if (kept < data.length) losses.torn++;
}
