/**
 * Holds a whole cluster to the invariants, step by step.
 *
 * It sees what every node's store promised, what every node sent, applied and recovered, and the few numbers of
 * every running core; after each event it compares what changed. What it finds is kept, and ends the run at the
 * end of the event: to throw into a node would only make the node stop.
 */
import {
  majority,
  messageTypeName,
  StateType,
  type Entry,
  type LogIndex,
  type Message,
  type NodeId,
  type RaftCore,
  type StorageState,
  type Term,
} from '@balsa/raft-core';
import { watchAttention } from './attention.ts';
import { ChangeBook } from './change-book.ts';
import { ConfBook } from './conf-book.ts';
import { EntryBook } from './entry-book.ts';
import { LogModel } from './log-model.ts';
import { expectations } from './step-contract.ts';
import { Site, type CoreView, type InFlight } from './site.ts';
import { Violation, type Rule } from './violation.ts';

export interface JudgeCounts {
  elections: number;
  commits: number;
  recoveries: number;
  /** Stores that opened with a write or a compaction that was under way when the node died. */
  recoveredInFlight: number;
  /** Stores that opened with a snapshot that the state machine has yet to restore. */
  recoveredRestore: number;
}

export class Judge {
  readonly counts: JudgeCounts = {
    elections: 0,
    commits: 0,
    recoveries: 0,
    recoveredInFlight: 0,
    recoveredRestore: 0,
  };
  readonly book: EntryBook = new EntryBook();
  readonly #sites = new Map<NodeId, Site>();
  readonly #views: { readonly site: Site; readonly view: CoreView }[] = [];
  readonly #leaders = new Map<Term, { readonly id: NodeId; readonly view: CoreView }>();
  /** Terms of what is committed, by index. Index 1 is the bootstrap's. */
  readonly #committed: Term[] = [0, 1];
  /** Terms of the leaders that committed it, by index. */
  readonly #committedIn: Term[] = [0, 1];
  readonly #confs = new ConfBook();
  readonly #changes = new ChangeBook();
  #violation: Violation | undefined;
  /** Told of changes worth a line in the trace. */
  onChange: (node: NodeId, what: string, ...details: number[]) => void = () => undefined;
  /** Ticks of an election timeout, where leaders have to hear from a quorum; else 0. */
  quorumCheckTicks = 0;
  /** A term or a vote has become durable just now. */
  onVoteWritten: (node: NodeId) => void = () => undefined;
  onRole: (node: NodeId, before: StateType, after: StateType, term: Term) => void = () => undefined;

  /** Keeps the first violation only. */
  complain(rule: Rule, text: string, details: readonly string[] = []): void {
    this.#violation ??= new Violation(rule, text, details);
  }

  get committedTop(): LogIndex {
    return this.#committed.length - 1;
  }

  committedTerm(index: LogIndex): Term | undefined {
    return this.#committed[index];
  }

  site(id: NodeId): Site {
    let site = this.#sites.get(id);
    if (site === undefined) this.#sites.set(id, (site = new Site(id)));
    return site;
  }

  // --- cores

  attach(id: NodeId, core: RaftCore): void {
    const site = this.site(id);
    const view: CoreView = {
      core,
      term: core.term,
      state: core.state,
      committed: core.committed,
      applied: core.applied,
      last: core.lastIndex,
    };
    site.view = view;
    const attention = watchAttention(core, this.quorumCheckTicks, (text) => {
      this.complain('I14 Liveness', `leader ${site.id} ${text}`);
    });
    // Several messages can come in one event, and a leader that commits by one may step down by the next.
    const step = core.step.bind(core);
    core.step = (message) => {
      const faultOf = expectations(core, message);
      step(message);
      attention?.stepped(message);
      this.#look(site, view);
      const wrong = faultOf();
      if (wrong !== undefined) this.complain(wrong.rule, `node ${site.id} ${wrong.text}`);
    };
    this.#views.push({ site, view });
  }

  detach(id: NodeId): void {
    const at = this.#views.findIndex(({ site }) => site.id === id);
    if (at >= 0) this.#views.splice(at, 1);
    const site = this.#sites.get(id);
    if (site !== undefined) site.view = undefined;
  }

  /** Takes notice of what cores did, also in the middle of an event: what follows from it is judged by it. */
  refresh(): void {
    for (const one of this.#views) this.#look(one.site, one.view);
  }

  /** Throws the violation that the last event brought to light. */
  afterEvent(): void {
    this.refresh();
    if (this.#violation !== undefined) throw this.#violation;
  }

  #look(site: Site, view: CoreView): void {
    const { core } = view;
    const { term, state, committed, lastIndex: last } = core;
    if (view.term === term && view.state === state && view.committed === committed && view.last === last)
      return;
    if (term < view.term)
      this.complain('I8 Monotonic', `node ${site.id} went back from term ${view.term} to ${term}`);
    if (committed < view.committed) {
      this.complain(
        'I8 Monotonic',
        `node ${site.id} went back from commit ${view.committed} to ${committed}`,
      );
    }
    if (committed > last || core.applied > committed) {
      this.complain(
        'I9 Ordering',
        `node ${site.id}: applied ${core.applied}, committed ${committed}, last ${last}`,
      );
    }
    const leads = state === StateType.Leader;
    const ledBefore = leads && view.state === StateType.Leader && view.term === term;
    if (leads && !ledBefore) this.#elected(site, view, term, last);
    if (ledBefore && last < view.last) {
      this.complain(
        'I2 LeaderAppendOnly',
        `leader ${site.id} of term ${term} shortened its log from ${view.last} to ${last}`,
      );
    }
    const campaigns = state === StateType.Candidate || state === StateType.PreCandidate;
    if (campaigns && state !== view.state) this.#checkCampaign(site, core);
    if (state !== view.state || term !== view.term) this.onRole(site.id, view.state, state, term);
    if (committed > this.committedTop) this.#commits(site, core, ledBefore);
    view.term = term;
    view.state = state;
    view.committed = committed;
    view.last = last;
  }

  #elected(site: Site, view: CoreView, term: Term, last: LogIndex): void {
    this.counts.elections++;
    const other = this.#leaders.get(term);
    if (other !== undefined && other.view !== view) {
      // Another node, or the same one in another life: its vote of that life is not worth more.
      const who = other.id === site.id ? 'an earlier life of it' : String(other.id);
      this.complain('I1 ElectionSafety', `node ${site.id} leads term ${term}, which has a leader: ${who}`);
    }
    this.#leaders.set(term, { id: site.id, view });
    const { voters, votersOutgoing } = view.core.status().confState;
    if (!voters.includes(site.id) && !votersOutgoing.includes(site.id)) {
      this.complain('I1 ElectionSafety', `node ${site.id} leads term ${term} and is no voter`);
    }
    for (const half of [voters, votersOutgoing]) {
      const kept = half.filter((id) => this.#keepsVote(id, site.id, term));
      if (half.length === 0 || kept.length >= majority(half.length)) continue;
      this.complain(
        'I1 ElectionSafety',
        `node ${site.id} leads term ${term}, but its votes are durable on [${kept.join(', ')}] of the voters [${half.join(', ')}]`,
      );
    }
    // Votes that were under way for long can elect a leader of a term that is over: what came after is not its matter.
    let needed = this.committedTop;
    while ((this.#committedIn[needed] ?? 0) >= term) needed--;
    if (last < needed) {
      this.complain(
        'I4 LeaderCompleteness',
        `the leader of term ${term}, node ${site.id}, has entries up to ${last}, but ${needed} was committed before`,
      );
    }
  }

  /** Who campaigns must know by whom it is elected, and have the log that it boasts of. */
  #checkCampaign(site: Site, core: RaftCore): void {
    const { applied, committed } = core;
    for (let index = applied + 1; index <= committed; index++) {
      if (!this.#changes.has(index, this.#committed[index])) continue;
      this.complain(
        'I10 ConfigFidelity',
        `node ${site.id} campaigns and has not applied the change of membership at ${index}, though it is committed`,
      );
    }
    // Its log ends where a snapshot does that its disk, or its state machine, does not have yet.
    const pending = core.status().firstIndex > site.model.last + 1 || site.restoring !== undefined;
    if (site.inFlight?.installed === undefined && !pending) return;
    this.complain('I9 Ordering', `node ${site.id} campaigns while it installs a snapshot`);
  }

  /** Only the leader of a term speaks as one. */
  checkSpeaker(site: Site, { type, term }: Message): void {
    if (this.#leaders.get(term)?.id === site.id) return;
    this.refresh();
    if (this.#leaders.get(term)?.id === site.id) return;
    this.complain(
      'I1 ElectionSafety',
      `node ${site.id} sends ${messageTypeName(type)} of term ${term}, which it does not lead`,
    );
  }

  /** Leadership is handed only to who has all that the leader has (thesis §3.10). */
  checkHandover(site: Site, to: NodeId): void {
    const last = site.view?.core.lastIndex ?? 0;
    const { model } = this.site(to);
    if (model.last >= last) return;
    this.complain(
      'I4 LeaderCompleteness',
      `leader ${site.id} hands over to node ${to}, which has ${model.last} of ${last} entries`,
    );
  }

  /** Who acknowledges entries to the leader of the term has those of that leader. */
  checkAcknowledgement(site: Site, { term, index, to }: Message): void {
    const leader = this.#leaders.get(term);
    const { view, model } = this.site(to);
    if (leader?.id !== to || view?.term !== term || view.state !== StateType.Leader) return;
    // What the leader has not on its disk yet, or no longer in its log, cannot be compared.
    const theirs = index < model.first ? undefined : model.term(index);
    if (theirs === undefined || site.model.holds(index, theirs)) return;
    this.complain(
      'I7 CommittedOnDurableQuorum',
      `node ${site.id} acknowledges entries up to ${index} to leader ${to} of term ${term}, which has term ${theirs} there; it has term ${String(site.model.term(index))}`,
    );
  }

  /** Whether `voter` will not vote for another in `term`, also after a crash. */
  #keepsVote(voter: NodeId, candidate: NodeId, term: Term): boolean {
    const durable = this.site(voter).model.hardState;
    return durable.term > term || (durable.term === term && durable.vote === candidate);
  }

  // --- committing

  #commits(site: Site, core: RaftCore, ledBefore: boolean): void {
    const { term, committed } = core;
    if (!ledBefore) {
      this.complain(
        'I6 CommittedImmutable',
        `node ${site.id} takes index ${committed} for committed, which no leader has committed`,
      );
      return;
    }
    const top = this.committedTop;
    if (this.book.find(committed, term) === undefined) {
      this.complain(
        'I7 CommittedOnDurableQuorum',
        `leader ${site.id} of term ${term} commits index ${committed}, but nobody has written an entry of that index and term`,
      );
      return;
    }
    const below = this.book.termBelow(committed, term, top);
    if (below !== undefined && below !== this.#committed[top]) {
      this.complain(
        'I6 CommittedImmutable',
        `leader ${site.id} of term ${term} commits a log with term ${below} at ${top}, where term ${String(this.#committed[top])} is committed`,
      );
    }
    for (let index = top + 1; index <= committed; index++) {
      this.#committed.push(this.book.termBelow(committed, term, index) ?? term);
      this.#committedIn.push(term);
    }
    this.counts.commits++;
    this.onChange(site.id, 'commits %, term %', committed, term);
    this.#checkQuorum(site, core);
  }

  #checkQuorum(site: Site, core: RaftCore): void {
    const { committed, term } = core;
    const { confState } = core.status();
    this.#checkOwnConf(site, core, confState);
    for (const half of [confState.voters, confState.votersOutgoing]) {
      if (half.length === 0) continue;
      const holders = half.filter((id) => this.site(id).model.holds(committed, term));
      if (holders.length >= majority(half.length)) continue;
      this.complain(
        'I7 CommittedOnDurableQuorum',
        `leader ${site.id} of term ${term} commits index ${committed}, which is durable on [${holders.join(', ')}] of the voters [${half.join(', ')}]`,
      );
    }
  }

  /** A node answers a read that was asked for when everything up to `needed` was committed. */
  checkRead(id: NodeId, needed: LogIndex): void {
    const { givenApplied } = this.site(id);
    if (givenApplied >= needed) return;
    this.complain(
      'I13 Linearizability',
      `node ${id} answers a read with what it has applied up to ${givenApplied}; ${needed} was committed before it was asked`,
    );
  }

  // --- stores

  /** Before a store is given a batch. */
  beforeWrite(site: Site, { batch, installed }: InFlight): void {
    this.refresh();
    const { model } = site;
    if (site.inFlight !== undefined) {
      this.complain('I12 ReadyContract', `node ${site.id} writes while a write is in flight`);
    }
    const { entries = [], hardState, confState } = batch;
    this.#checkEntries(
      site,
      entries,
      installed === undefined ? model.last : Math.max(model.last, installed.index),
    );
    const early = this.#changes.add(entries, model, this.committedTop);
    if (early !== undefined) this.complain('I10 ConfigFidelity', `node ${site.id} ${early}`);
    if (installed === undefined) this.#checkCut(site, entries);
    let previous = entries[0] === undefined ? undefined : model.term(entries[0].index - 1);
    for (const entry of entries) {
      const clash = this.book.add(entry, previous);
      if (clash !== undefined) this.complain('I3 LogMatching', `node ${site.id} writes: ${clash}`);
      previous = entry.term;
    }
    if (hardState !== undefined) {
      const { term, vote, commit } = model.hardState;
      const changedVote = hardState.term === term && vote !== 0 && hardState.vote !== vote;
      if (hardState.term < term || changedVote) {
        const text = `node ${site.id} writes term ${hardState.term}, vote ${hardState.vote} over term ${term}, vote ${vote}`;
        this.complain('I8 Monotonic', text);
      }
      if (hardState.commit < commit) {
        this.complain('I8 Monotonic', `node ${site.id} writes commit ${hardState.commit} over ${commit}`);
      }
      if (hardState.commit > this.committedTop) {
        this.complain(
          'I6 CommittedImmutable',
          `node ${site.id} writes commit ${hardState.commit}, which no leader has committed`,
        );
      }
    }
    if (confState !== undefined) this.checkConf(site.id, confState.index, confState.state);
    if (installed === undefined) return;
    this.checkSnapshotPlace(site.id, installed);
    if ((hardState?.commit ?? installed.index) >= installed.index) return;
    this.complain(
      'I9 Ordering',
      `node ${site.id} installs a snapshot of index ${installed.index} with commit ${hardState?.commit}`,
    );
  }

  /** What is committed and was on the disk stays there, also behind the entries that are written. */
  #checkCut(site: Site, entries: readonly Entry[]): void {
    const last = entries.at(-1)?.index ?? Infinity;
    for (let index = last + 1; index <= site.model.last; index++) {
      const committed = this.#committed[index];
      if (committed === undefined || committed !== site.model.term(index)) continue;
      this.complain(
        'I6 CommittedImmutable',
        `node ${site.id} writes up to ${last} and cuts off the entry at ${index}, which is committed`,
      );
      return;
    }
  }

  #checkEntries(site: Site, entries: readonly Entry[], last: LogIndex): void {
    let expected = entries[0]?.index ?? 0;
    if (expected > last + 1) {
      this.complain(
        'I12 ReadyContract',
        `node ${site.id} writes entries from ${expected} behind ${last}: a gap`,
      );
    }
    for (const { index, term } of entries) {
      if (index !== expected++)
        this.complain('I12 ReadyContract', `node ${site.id} writes index ${index} out of order`);
      // A node that was cut off may still hear of what will never be committed; but what it has of it, it keeps.
      const committed = this.#committed[index];
      if (committed !== undefined && committed !== term && site.model.term(index) === committed) {
        this.complain(
          'I6 CommittedImmutable',
          `node ${site.id} writes an entry of term ${term} at ${index} over the one of term ${committed}, which is committed`,
        );
      }
    }
  }

  afterWrite(site: Site, { batch, installed }: InFlight): void {
    const { term, vote } = site.model.hardState;
    site.model.apply(batch, installed);
    site.inFlight = undefined;
    site.changes++;
    const { hardState, last } = site.model;
    if (hardState.term !== term || hardState.vote !== vote) this.onVoteWritten(site.id);
    if (hardState.commit > last) {
      this.complain(
        'I9 Ordering',
        `node ${site.id} has commit ${hardState.commit} on disk, and a log up to ${last}`,
      );
    }
  }

  /** A store that opened must hold what it promised, and at most what was in flight beside it. */
  opened(site: Site, state: StorageState): void {
    this.counts.recoveries++;
    const candidates = site.candidates();
    const match = candidates.findIndex((model) => model.difference(state) === undefined);
    if (match < 0) {
      const reasons = candidates.map((model) => model.difference(state) ?? '');
      this.complain(
        site.inFlight === undefined ? 'I11 RestartFidelity' : 'I17 CrashStates',
        `the store of node ${site.id} opens with what it was never given: ${reasons[0] ?? ''}`,
        reasons,
      );
    }
    if (match > 0) this.counts.recoveredInFlight++;
    if (state.pendingRestore !== undefined) this.counts.recoveredRestore++;
    site.model = new LogModel();
    site.model.adopt(state);
    site.inFlight = undefined;
    site.compacting = undefined;
  }

  // --- memberships and snapshots

  /** The membership that a core counts by must be the newest that it has applied, or one that is being recorded. */
  #checkOwnConf(site: Site, core: RaftCore, confState: object): void {
    const text = JSON.stringify(confState);
    const { index: newest, text: known } = this.#confs.newest(core.applied);
    if (known === undefined || known === text) {
      site.doubt = undefined;
      return;
    }
    const indexes = this.#confs.indexesOf(text);
    if (indexes.length === 0 || indexes.some((index) => index > newest)) return;
    // Like an old one can be a new one, too, that counts already and is still being recorded: then it is not yet
    // told to be applied. What is still so when more is applied is old.
    if (site.doubt?.text !== text) site.doubt = { text, applied: core.applied };
    if (site.doubt.applied === core.applied) return;
    this.complain(
      'I10 ConfigFidelity',
      `node ${site.id} has applied ${core.applied} and counts by the membership ${text}; since index ${newest} it is ${known}`,
    );
  }

  checkConf(id: NodeId, index: LogIndex, state: object): void {
    const text = JSON.stringify(state);
    const other = this.#confs.clash(index, text);
    if (other === undefined) return;
    this.complain(
      'I10 ConfigFidelity',
      `node ${id} has the membership ${text} at index ${index}, another node ${other}`,
    );
  }

  /** A snapshot must carry the term and the membership of its index. */
  checkSnapshotPlace(
    id: NodeId,
    metadata: { readonly index: LogIndex; readonly term: Term; readonly confState: object },
  ): void {
    const { index, term } = metadata;
    const committed = this.#committed[index];
    if (committed !== term) {
      this.complain(
        'I6 CommittedImmutable',
        `node ${id} has a snapshot of index ${index}, term ${term}; committed is term ${String(committed)}`,
      );
    }
    const { text: known } = this.#confs.newest(index);
    const text = JSON.stringify(metadata.confState);
    if (known !== undefined && known !== text) {
      this.complain(
        'I10 ConfigFidelity',
        `a snapshot of index ${index} on node ${id} has the membership ${text}, but it was ${known}`,
      );
    }
  }
}
