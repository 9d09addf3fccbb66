/** Assembling a Ready: what has gathered since the last one, in the form that the persistence style wants. */
import type { Fetch, ReadState, Ready } from './core.ts';
import { LocalAppendThread, LocalApplyThread, Message, MessageType } from './message.ts';
import { limitSize } from './entry-size.ts';
import type { Raft } from './raft.ts';
import {
  None,
  type Entry,
  type HardState,
  type LogIndex,
  type NodeId,
  type Snapshot,
  type SoftState,
  type StateType,
  type Term,
} from './types.ts';

const noEntries: readonly Entry[] = Object.freeze([]);
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
  /** Synchronous mode: what happens once the last Ready is persisted and applied. */
  #onAdvance: Message[] = [];
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

  /** Synchronous mode: the messages to step now that the last Ready is done. */
  takeAdvance(): readonly Message[] {
    const messages = this.#onAdvance;
    this.#onAdvance = [];
    this.#awaitsAdvance = false;
    return messages;
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
    const messages = raft.messages;
    const after = raft.messagesAfterAppend;
    raft.messages = [];
    raft.openAppends.clear();
    raft.messagesAfterAppend = [];
    if (this.#async) {
      if (entries.length > 0 || hardState !== undefined || snapshot !== undefined || after.length > 0) {
        messages.push(this.#storageAppend(entries, hardState, snapshot, after));
      }
      if (committedEntries.length > 0) messages.push(this.#storageApply(committedEntries));
      return messages;
    }
    for (const message of after) {
      if (message.to === raft.id) this.#onAdvance.push(message);
      else messages.push(message);
    }
    if (this.#needsAppendResponse(snapshot)) this.#onAdvance.push(this.#storageAppendResponse(snapshot));
    if (committedEntries.length > 0) this.#onAdvance.push(this.#storageApplyResponse(committedEntries));
    return messages;
  }

  #storageAppend(
    entries: readonly Entry[],
    hardState: HardState | undefined,
    snapshot: Snapshot | undefined,
    after: Message[],
  ): Message {
    if (this.#needsAppendResponse(snapshot)) after.push(this.#storageAppendResponse(snapshot));
    return new Message(MessageType.MsgStorageAppend, {
      to: LocalAppendThread,
      from: this.#raft.id,
      entries,
      term: hardState?.term ?? 0,
      vote: hardState?.vote ?? None,
      commit: hardState?.commit ?? 0,
      snapshot,
      responses: after,
    });
  }

  #needsAppendResponse(snapshot: Snapshot | undefined): boolean {
    return this.#raft.log.unstable.length > 0 || snapshot !== undefined;
  }

  /**
   * Attests, when the writes handed out up to now are durable, the whole unstable log. It names the term in
   * which that was so: after a change of term the same index may stand for another entry.
   */
  #storageAppendResponse(snapshot: Snapshot | undefined): Message {
    const { log } = this.#raft;
    const attests = log.unstable.length > 0;
    return new Message(MessageType.MsgStorageAppendResp, {
      to: this.#raft.id,
      from: LocalAppendThread,
      term: this.#raft.term,
      index: attests ? log.lastIndex : 0,
      logTerm: attests ? log.lastTerm : 0,
      snapshot,
    });
  }

  #storageApply(entries: readonly Entry[]): Message {
    return new Message(MessageType.MsgStorageApply, {
      to: LocalApplyThread,
      from: this.#raft.id,
      entries,
      responses: [this.#storageApplyResponse(entries)],
    });
  }

  #storageApplyResponse(entries: readonly Entry[]): Message {
    return new Message(MessageType.MsgStorageApplyResp, {
      to: this.#raft.id,
      from: LocalApplyThread,
      entries,
    });
  }
}
