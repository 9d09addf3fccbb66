/**
 * raft-rs's style of persistence: numbered Readys, acknowledged by number. A thin layer on the messages to
 * storage threads that a {@link RawNode} works with; take either, not both.
 *
 * Take a `ready()`, write what it says, and then one of:
 * - `advance(ready)`: it is durable and its `committedEntries` are applied;
 * - `advanceAppend(ready)`: it is durable; say by `advanceApply` or `advanceApplyTo` when entries are applied;
 * - `advanceAppendAsync(ready)`: it is being written; say by `onPersistReady(number)` when it is durable.
 * The first two give a {@link LightReady}: what may be done now because of that.
 */
import type { RaftInitialState } from './config.ts';
import type { Ready } from './core.ts';
import { BalsaError } from './errors.ts';
import { LocalAppendThread, LocalApplyThread, Message, MessageType } from './message.ts';
import { RawNode, type RawNodeConfig } from './raw-node.ts';
import type { Entry, LogIndex } from './types.ts';

/** Like {@link Ready}; messages are told apart by when they may leave. */
export interface NumberedReady extends Omit<Ready, 'messages'> {
  /** These may leave at once, beside the write. */
  readonly messages: readonly Message[];
  /** These may leave once this Ready, and all before it, are durable. */
  readonly persistedMessages: readonly Message[];
  /** True also for a snapshot alone. */
  readonly mustSync: boolean;
}

/** What needs no write before it is done. */
export interface LightReady {
  /** When it changed. To be written with or before the effect of `committedEntries`, unless the state machine's own applied index tells. */
  readonly commitIndex: LogIndex | undefined;
  /** To be applied after all that was handed out before. */
  readonly committedEntries: readonly Entry[];
  readonly messages: readonly Message[];
}

/** What a Ready is made of, sorted by what it waits for. */
interface Parts {
  readonly messages: readonly Message[];
  readonly persistedMessages: readonly Message[];
  /** For the core itself, once durable. */
  readonly own: readonly Message[];
}

/** A Ready that is not durable yet. */
interface PersistRecord {
  readonly number: number;
  readonly own: readonly Message[];
}

export class NumberedNode {
  /** For every input and view. Its `ready` and `advance` are this layer's to call. */
  readonly node: RawNode;
  #number = 0;
  /** Taken and not advanced. */
  #open: NumberedReady | undefined;
  /** Taken from the core to look for a LightReady, and too heavy for one. */
  #held: Ready | undefined;
  #persisting: PersistRecord[] = [];
  #applying: Entry[] = [];
  #handedOut: LogIndex = 0;

  /** Throws `INVALID_CONFIG`, as {@link RawNode}. */
  constructor(config: Omit<RawNodeConfig, 'asyncStorageWrites'>, initial: RaftInitialState) {
    this.node = new RawNode({ ...config, asyncStorageWrites: true }, initial);
  }

  hasReady(): boolean {
    return this.#held !== undefined || this.node.hasReady();
  }

  /** Any number may be outstanding. Throws `INVALID_ARGUMENT` while the last one was not advanced in any way. */
  ready(): NumberedReady {
    if (this.#open !== undefined)
      throw misuse(`advance Ready ${String(this.#open.number)} before the next one is taken`);
    const raw = this.#held ?? this.node.ready();
    this.#held = undefined;
    const { messages, persistedMessages, own } = this.#sort(raw);
    const number = ++this.#number;
    const mustSync = raw.mustSync || raw.snapshot !== undefined;
    const ready: NumberedReady = { ...raw, number, messages, persistedMessages, mustSync };
    this.#persisting.push({ number, own });
    this.#handOut(raw.committedEntries);
    this.#open = ready;
    return ready;
  }

  /** `ready`, and all before it, are durable; its committed entries, and all before them, are applied. */
  advance(ready: NumberedReady): LightReady {
    const applied = this.#handedOut;
    const light = this.advanceAppend(ready);
    this.advanceApplyTo(applied);
    return light;
  }

  /** `ready`, and all before it, are durable; a snapshot in it is restored. */
  advanceAppend(ready: NumberedReady): LightReady {
    this.advanceAppendAsync(ready);
    this.onPersistReady(ready.number);
    return this.#light();
  }

  /** `ready` is being written; writes become durable in order. Throws `INVALID_ARGUMENT` for another than the last one. */
  advanceAppendAsync(ready: NumberedReady): void {
    if (ready !== this.#open) throw misuse(`Ready ${String(ready.number)} is not the one to advance`);
    this.#open = undefined;
  }

  /**
   * The Readys up to `number` are durable, and snapshots in them restored. A lower number than before is a no-op;
   * throws `INVALID_ARGUMENT` for one that was not advanced.
   */
  onPersistReady(number: number): void {
    if (number > this.#number - (this.#open === undefined ? 0 : 1))
      throw misuse(`Ready ${String(number)} has not been handed out and advanced`);
    let count = 0;
    while ((this.#persisting[count]?.number ?? Infinity) <= number) count++;
    for (const { own } of this.#persisting.splice(0, count))
      for (const message of own) this.node.step(message);
  }

  /** All that was handed out is applied. */
  advanceApply(): void {
    this.advanceApplyTo(this.#handedOut);
  }

  /** What was handed out up to `index` is applied. Lower than before is a no-op; throws `INVALID_ARGUMENT` beyond what was. */
  advanceApplyTo(index: LogIndex): void {
    if (index > this.#handedOut) throw misuse(`no entry at ${String(index)} has been handed out`);
    let count = 0;
    while ((this.#applying[count]?.index ?? Infinity) <= index) count++;
    if (count === 0) return;
    const entries = this.#applying.splice(0, count);
    const { id } = this.node;
    this.node.step(new Message(MessageType.MsgStorageApplyResp, { to: id, from: LocalApplyThread, entries }));
  }

  #handOut(entries: readonly Entry[]): void {
    const last = entries.at(-1);
    if (last === undefined) return;
    this.#applying.push(...entries);
    this.#handedOut = last.index;
  }

  /** What came up now, when none of it has to be written first; else it waits for the next Ready. */
  #light(): LightReady {
    if (this.#held === undefined && this.node.hasReady()) {
      const raw = this.node.ready();
      const { messages, persistedMessages, own } = this.#sort(raw);
      const heavy =
        raw.mustSync ||
        raw.snapshot !== undefined ||
        raw.softState !== undefined ||
        raw.readStates.length + raw.fetches.length + persistedMessages.length + own.length > 0;
      if (!heavy) {
        this.#handOut(raw.committedEntries);
        return { commitIndex: raw.hardState?.commit, committedEntries: raw.committedEntries, messages };
      }
      this.#held = raw;
    }
    return { commitIndex: undefined, committedEntries: [], messages: [] };
  }

  #sort(raw: Ready): Parts {
    const messages: Message[] = [];
    const persistedMessages: Message[] = [];
    const own: Message[] = [];
    for (const message of raw.messages) {
      if (message.to === LocalAppendThread) {
        for (const response of message.responses)
          (response.to === this.node.id ? own : persistedMessages).push(response);
      } else if (message.to !== LocalApplyThread) messages.push(message);
    }
    return { messages, persistedMessages, own };
  }
}

function misuse(message: string): BalsaError {
  return new BalsaError('INVALID_ARGUMENT', message);
}
