/** Assembling a Ready: what has gathered since the last one, in the form that the persistence style wants. */
import type { Fetch, ReadState, Ready } from './core.ts';
import { LocalAppendThread, LocalApplyThread, Message, MessageType } from './message.ts';
import { limitSize } from './entry-size.ts';
import { noEntries } from './no-entries.ts';
import { appliedEntries } from './applied.ts';
import { stepMessage } from './step-common.ts';
import type { Raft } from './raft.ts';
import { traceNode } from './trace.ts';
import {
  type Entry,
  type HardState,
  type LogIndex,
  type NodeId,
  type Snapshot,
  type SoftState,
  type StateType,
  type Term,
} from './types.ts';

const noReadStates: readonly ReadState[] = Object.freeze([]);
const noFetches: readonly Fetch[] = Object.freeze([]);

/** Whether term, vote or entries changed: a commit index alone need not be durable before messages leave. */
export function mustSync(
  now: Pick<HardState, 'term' | 'vote'>,
  before: Pick<HardState, 'term' | 'vote'>,
  entryCount: number,
): boolean {
  return entryCount !== 0 || now.vote !== before.vote || now.term !== before.term;
}

const noMessages: readonly Message[] = Object.freeze([]);

function countTo(messages: readonly Message[], id: NodeId): number {
  let count = 0;
  for (let i = 0; i < messages.length; i++) if (messages[i]?.to === id) count++;
  return count;
}

/** What the driver has been told. */
interface Told {
  leader: NodeId;
  state: StateType;
  term: Term;
  vote: NodeId;
  commit: LogIndex;
}

export class ReadyAssembler {
  readonly #raft: Raft;
  readonly #async: boolean;
  readonly #told: Told;
  #number = 0;
  /** Synchronous mode: to oneself, once the last Ready is persisted; besides the acks in `Raft.ownAcks`. */
  #toOneself: readonly Message[] = noMessages;
  /** One message does for all: it never leaves, and is stepped before the next Ready. */
  readonly #appended: Message = new Message(MessageType.MsgStorageAppendResp);
  #hasAppended = false;
  /** Synchronous mode: what the last Ready gave to be applied. */
  #toApply: readonly Entry[] = noEntries;
  #awaitsAdvance = false;

  constructor(raft: Raft) {
    this.#raft = raft;
    this.#async = raft.config.asyncStorageWrites;
    this.#told = {
      leader: raft.leader,
      state: raft.state,
      term: raft.term,
      vote: raft.vote,
      commit: raft.log.committed,
    };
  }

  /** Synchronous mode: a Ready is out that was not advanced. */
  get awaitsAdvance(): boolean {
    return this.#awaitsAdvance;
  }

  get lastNumber(): number {
    return this.#number;
  }

  hasReady(): boolean {
    const raft = this.#raft;
    return (
      raft.messages.length > 0 ||
      raft.messagesAfterAppend.length > 0 ||
      raft.ownAcks.waiting ||
      raft.readStates.length > 0 ||
      raft.fetches.pending.length > 0 ||
      raft.log.unstable.hasNextEntries ||
      raft.log.unstable.nextSnapshot !== undefined ||
      this.#softChanged() ||
      this.#hardChanged() ||
      this.#canApply()
    );
  }

  /** Takes everything. What is handed out here is the driver's to do. */
  take(): Ready {
    const raft = this.#raft;
    const { log } = raft;
    const entries = log.unstable.hasNextEntries ? log.unstable.nextEntries() : noEntries;
    const committedEntries = this.#takeCommitted();
    const snapshot = log.unstable.nextSnapshot;
    const softState: SoftState | undefined = this.#softChanged() ? raft.softState() : undefined;
    const hardChanged = this.#hardChanged();
    const sync = mustSync(raft, this.#told, entries.length);
    const hardState = hardChanged ? raft.hardState() : undefined;
    const messages = this.#takeMessages(entries, committedEntries, hardState, snapshot);
    const readStates = raft.readStates.length > 0 ? raft.readStates : noReadStates;
    const fetches = raft.fetches.pending.length > 0 ? raft.fetches.pending : noFetches;
    // What is handed out is the driver's: it must not grow any more.
    if (readStates.length > 0) raft.readStates = [];
    if (fetches.length > 0) raft.fetches.pending = [];
    this.#told.leader = raft.leader;
    this.#told.state = raft.state;
    this.#told.term = raft.term;
    this.#told.vote = raft.vote;
    this.#told.commit = log.committed;
    log.unstable.acceptInProgress();
    log.acceptApplying(committedEntries, !this.#async);
    this.#awaitsAdvance = !this.#async;
    traceNode(raft, 'Ready');
    return {
      number: ++this.#number,
      softState,
      hardState,
      readStates,
      entries,
      snapshot,
      committedEntries,
      messages,
      mustSync: sync,
      fetches,
    };
  }

  /** Synchronous mode: the last Ready is persisted and applied. Its own acknowledgements arrive, in the order of the asynchronous mode. */
  advance(): void {
    const raft = this.#raft;
    const messages = this.#toOneself;
    this.#toOneself = noMessages;
    const toApply = this.#toApply;
    this.#toApply = noEntries;
    this.#awaitsAdvance = false;
    for (let ack = raft.ownAcks.arrive(); ack !== undefined; ack = raft.ownAcks.arrive())
      stepMessage(raft, ack);
    for (let i = 0; i < messages.length; i++) {
      const message = messages[i];
      if (message !== undefined) stepMessage(raft, message);
    }
    if (this.#hasAppended) stepMessage(raft, this.#appended);
    if (toApply.length > 0) appliedEntries(raft, toApply);
  }

  #softChanged(): boolean {
    return this.#raft.leader !== this.#told.leader || this.#raft.state !== this.#told.state;
  }

  #hardChanged(): boolean {
    const { term, vote, log } = this.#raft;
    return term !== this.#told.term || vote !== this.#told.vote || log.committed !== this.#told.commit;
  }

  /** Whether committed entries can be handed out, or at least be asked for. */
  #canApply(): boolean {
    const { log, fetches } = this.#raft;
    if (!log.hasNextCommitted(!this.#async)) return false;
    return fetches.applyBuffer !== undefined || (fetches.apply === undefined && !fetches.applyBlocked);
  }

  #takeCommitted(): readonly Entry[] {
    if (!this.#canApply()) return noEntries;
    const { log, fetches } = this.#raft;
    const low = log.applying + 1;
    const high = log.maxAppliable(!this.#async) + 1;
    const budget = log.applyBudget;
    const buffer = fetches.applyBuffer;
    fetches.applyBuffer = undefined;
    if (buffer?.entries[0]?.index === low)
      return limitSize(log.extend(buffer.entries, buffer.high, high, budget), budget);
    const entries = log.slice(low, high, budget);
    if (entries !== undefined) return entries;
    const missing = log.missing(low, high);
    fetches.askApply(missing.low, missing.high, budget);
    return noEntries;
  }

  #takeMessages(
    entries: readonly Entry[],
    committedEntries: readonly Entry[],
    hardState: HardState | undefined,
    snapshot: Snapshot | undefined,
  ): readonly Message[] {
    const raft = this.#raft;
    const { messages, messagesAfterAppend: after } = raft;
    // What is handed out must not grow any more.
    if (messages.length > 0) raft.messages = [];
    if (after.length > 0) raft.messagesAfterAppend = [];
    if (raft.openAppends.size > 0) raft.openAppends.clear();
    if (!this.#async) {
      raft.ownAcks.cover();
      this.#hasAppended = this.#needsAppendResponse(snapshot);
      if (this.#hasAppended) this.#fillAppendResponse(this.#appended, snapshot);
      this.#toApply = committedEntries;
      return this.#withoutOwn(messages.length > 0 ? messages : noMessages, after);
    }
    const out = messages.length > 0 ? messages : [];
    if (entries.length > 0 || hardState !== undefined || snapshot !== undefined || after.length > 0) {
      out.push(this.#storageAppend(entries, hardState, snapshot, after.length > 0 ? after : []));
    }
    if (committedEntries.length > 0) out.push(this.#storageApply(committedEntries));
    return out;
  }

  /** `messages` and those of `after` that are for others; acks to oneself wait until the Ready is done. */
  #withoutOwn(messages: readonly Message[], after: readonly Message[]): readonly Message[] {
    const { id } = this.#raft;
    if (after.length === 0) {
      this.#toOneself = noMessages;
      return messages;
    }
    const own = countTo(after, id);
    if (own === after.length) {
      this.#toOneself = own === 0 ? noMessages : after;
      return messages;
    }
    this.#toOneself = own === 0 ? noMessages : after.filter(({ to }) => to === id);
    const others = own === 0 ? after : after.filter(({ to }) => to !== id);
    return messages.length === 0 ? others : messages.concat(others);
  }

  #storageAppend(
    entries: readonly Entry[],
    hardState: HardState | undefined,
    snapshot: Snapshot | undefined,
    after: Message[],
  ): Message {
    if (this.#needsAppendResponse(snapshot)) {
      const response = new Message(MessageType.MsgStorageAppendResp);
      this.#fillAppendResponse(response, snapshot);
      after.push(response);
    }
    const message = new Message(MessageType.MsgStorageAppend);
    message.to = LocalAppendThread;
    message.from = this.#raft.id;
    message.entries = entries;
    message.snapshot = snapshot;
    message.responses = after;
    if (hardState === undefined) return message;
    message.term = hardState.term;
    message.vote = hardState.vote;
    message.commit = hardState.commit;
    return message;
  }

  #needsAppendResponse(snapshot: Snapshot | undefined): boolean {
    return this.#raft.log.unstable.length > 0 || snapshot !== undefined;
  }

  /**
   * Attests, when the writes handed out up to now are durable, the whole unstable log. It names the term in
   * which that was so: after a change of term the same index may stand for another entry.
   */
  #fillAppendResponse(message: Message, snapshot: Snapshot | undefined): void {
    const { id, term, log } = this.#raft;
    const attests = log.unstable.length > 0;
    message.to = id;
    message.from = LocalAppendThread;
    message.term = term;
    message.snapshot = snapshot;
    message.index = attests ? log.lastIndex : 0;
    message.logTerm = attests ? log.lastTerm : 0;
  }

  #storageApply(entries: readonly Entry[]): Message {
    const message = new Message(MessageType.MsgStorageApply);
    message.to = LocalApplyThread;
    message.from = this.#raft.id;
    message.entries = entries;
    const response = new Message(MessageType.MsgStorageApplyResp);
    response.to = this.#raft.id;
    response.from = LocalApplyThread;
    response.entries = entries;
    message.responses = [response];
    return message;
  }
}
