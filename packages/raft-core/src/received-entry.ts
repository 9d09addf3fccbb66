/**
 * Entries as they come off the wire.
 *
 * A follower takes many entries into its log, hands them to the store once and to the state machine once. A view for
 * each payload is larger than the entry itself, so it is made only when somebody asks.
 */
import { EmptyBytes, Entry, type EntryType, type LogIndex, type Term } from './types.ts';

/**
 * An entry whose payload is a range of the bytes that it was decoded from, until `data` is first read. It has no
 * context. To whoever reads it, to `instanceof` and to JSON it is an `Entry`; to what copies own properties it is not,
 * see `plainEntry`. `structuredClone` and `postMessage` would lose its payload: they throw a `DataCloneError`.
 */
export class ReceivedEntry {
  static {
    // Not a subclass: that would have a place for a payload, which is what is to be spared.
    Object.setPrototypeOf(this.prototype, Entry.prototype);
  }

  readonly term: Term;
  readonly index: LogIndex;
  readonly type: EntryType;
  /** Bytes of the payload. */
  readonly length: number;
  /** What was decoded; once the payload has been read, the payload. */
  private bytes: Uint8Array;
  /** Where in `bytes` the payload begins; `wasRead` once it has been read. */
  private start: number;
  /** No symbol can be cloned, so that nothing clones the entry without what it says. */
  readonly guard: symbol = cloneGuard;

  constructor(
    term: Term,
    index: LogIndex,
    type: EntryType,
    bytes: Uint8Array,
    start: number,
    length: number,
  ) {
    this.term = term;
    this.index = index;
    this.type = type;
    this.length = length;
    this.bytes = bytes;
    this.start = start;
  }

  get data(): Uint8Array {
    if (this.start !== wasRead) {
      const { buffer, byteOffset } = this.bytes;
      this.bytes = new Uint8Array(buffer, byteOffset + this.start, this.length);
      this.start = wasRead;
    }
    return this.bytes;
  }

  get context(): Uint8Array {
    return EmptyBytes;
  }

  toJSON(): Entry {
    return new Entry(this.term, this.index, this.type, this.data);
  }
}

const wasRead = -1;
/** The error of whoever clones says its text. */
const cloneGuard: unique symbol = Symbol(
  'an entry of a decoded message, of which plainEntry must be taken first,',
);

/** An entry whose payload is the `length` bytes at `start` of `bytes`. */
export function receivedEntry(
  term: Term,
  index: LogIndex,
  type: EntryType,
  bytes: Uint8Array,
  start: number,
  length: number,
): Entry {
  const entry: object = new ReceivedEntry(term, index, type, bytes, start, length);
  return entry as Entry;
}

/** Bytes of the payload, which need not be made for that. */
export function dataLength(entry: Entry): number {
  return entry instanceof ReceivedEntry ? entry.length : entry.data.length;
}

/**
 * `entry` with all that it says as properties of its own: what `structuredClone`, `postMessage`, spreading and
 * comparing by properties need. An entry of a decoded message is not like that by itself.
 */
export function plainEntry(entry: Entry): Entry {
  if (!(entry instanceof ReceivedEntry)) return entry;
  return new Entry(entry.term, entry.index, entry.type, entry.data);
}
