/** What happened, in short: a digest of all of it, and the last events for people. */

/** Kinds of events. Their numbers go into the digest. */
export const EventKind = {
  Timer: 1,
  Send: 2,
  Receive: 3,
  Disk: 4,
  Role: 5,
  Commit: 6,
  Apply: 7,
  Fault: 8,
  Client: 9,
  Write: 10,
  Life: 11,
  Membership: 12,
  Snapshot: 13,
} as const;
export type EventKind = (typeof EventKind)[keyof typeof EventKind];

interface Kept {
  time: number;
  node: number;
  text: string;
  details: readonly (number | string)[];
}

export class Trace {
  readonly #kept: Kept[] = [];
  readonly #keep: number;
  #at = 0;
  #low = 0x811c9dc5;
  #high = 0x1b873593;
  /** Called with every line when somebody wants all of them. */
  onLine: ((line: string) => void) | undefined;

  constructor(keep = 400) {
    this.#keep = keep;
  }

  /** Mixes a number into the digest. */
  mix(value: number): void {
    const whole = Math.trunc(value) | 0;
    const part = Math.trunc((value % 1) * 0x4000_0000) | 0;
    this.#low = Math.imul(this.#low ^ whole, 0x01000193);
    this.#high = Math.imul(this.#high ^ part ^ (this.#low >>> 15), 0x85ebca6b);
  }

  /** Notes an event. `text` names it; a `%` in it stands for the next detail. */
  note(
    kind: EventKind,
    time: number,
    node: number,
    text: string,
    ...details: readonly (number | string)[]
  ): void {
    this.mix(kind);
    this.mix(time);
    this.mix(node);
    for (const detail of details) this.mix(typeof detail === 'number' ? detail : detail.length);
    const kept: Kept = { time, node, text, details };
    if (this.#kept.length < this.#keep) this.#kept.push(kept);
    else this.#kept[this.#at] = kept;
    this.#at = (this.#at + 1) % this.#keep;
    this.onLine?.(format(kept));
  }

  /** Equal for two runs in which the same happened at the same times. */
  get digest(): string {
    const hex = (n: number): string => (n >>> 0).toString(16).padStart(8, '0');
    return hex(this.#low) + hex(this.#high);
  }

  /** The last events, oldest first. */
  lines(): string[] {
    const first = this.#kept.length < this.#keep ? 0 : this.#at;
    return [...this.#kept.slice(first), ...this.#kept.slice(0, first)].map(format);
  }
}

function format({ time, node, text, details }: Kept): string {
  let next = 0;
  const filled = text.replaceAll('%', () => String(details[next++] ?? ''));
  const who = node === 0 ? '  world' : `node ${String(node).padStart(2)}`;
  return `${(time / 1000).toFixed(6).padStart(11)} s  ${who}  ${filled}`;
}
