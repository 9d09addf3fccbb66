/**
 * The loop that drives a core: inputs in, Readys out, and each Ready's work to the part that does it.
 *
 * Order of effects: messages to peers leave at once, so that followers write while this node writes;
 * what a write promises leaves after it; what is committed is applied when it is durable here.
 */
import {
  assertSafeInteger,
  BalsaError,
  entryOverheadBytes,
  isBalsaError,
  LocalAppendThread,
  LocalApplyThread,
  LogLevel,
  MessageType,
  randomHex64,
  RawNode,
  StateType,
  toBalsaError,
  type ConfChange,
  type ConfState,
  type Entry,
  type Env,
  type Fetch,
  type IndexedConfState,
  type LogIndex,
  type Message,
  type NodeId,
  type RaftCore,
  type Ready,
  type Snapshot,
  type SnapshotId,
  type StoreIdentity,
  type Timer,
  type TransportHandler,
} from '@balsa/raft-core';
import type { AddressBook } from './address-book.ts';
import { AppendQueue } from './append-queue.ts';
import { ApplyLoop } from './apply-loop.ts';
import { hexBytes } from './bytes.ts';
import { Compactor } from './compaction.ts';
import { decodeConfContext } from './conf-context.ts';
import { NodeEmitter } from './events.ts';
import { decodeFrame, encodeFrame } from './forwarding.ts';
import { AppliedHistory } from './history.ts';
import { Introductions } from './introductions.ts';
import { checkChange, membersOf, removedBy } from './membership.ts';
import { MetricsRecorder } from './metrics.ts';
import type { NodeSettings, RaftNodeOptions } from './options.ts';
import { Peers } from './peers.ts';
import { Proposals } from './proposals.ts';
import { Reads } from './reads.ts';
import { chunksOf, type Recovered } from './recover.ts';
import { decodeDescription, encodeDescription } from './snapshot-description.ts';
import { SnapshotMaker } from './snapshot-maker.ts';
import { SnapshotsIn } from './snapshots-in.ts';
import { SnapshotsOut } from './snapshots-out.ts';
import { roleOf, type NodeRole, type SnapshotProgress } from './status.ts';
import { Waiters } from './waiters.ts';

/** Messages that only this node's own driver may give to its core. MsgSnap comes through `onSnapshot`. */
const refusedTypes: ReadonlySet<number> = new Set([MessageType.MsgProp, MessageType.MsgSnap, MessageType.MsgForgetLeader]);

export class Runtime<R> {
  readonly settings: NodeSettings;
  readonly identity: StoreIdentity;
  readonly env: Env;
  readonly core: RaftCore;
  readonly book: AddressBook;
  readonly events: NodeEmitter;
  readonly metrics: MetricsRecorder = new MetricsRecorder();
  readonly history: AppliedHistory;
  readonly queue: AppendQueue;
  readonly apply: ApplyLoop<R>;
  readonly proposals: Proposals<R>;
  readonly reads: Reads;
  readonly maker: SnapshotMaker;
  readonly out: SnapshotsOut;
  readonly incoming: SnapshotsIn;
  readonly compactor: Compactor;
  readonly peers: Peers;
  readonly introductions: Introductions;
  /** Callers that wait for another leader. */
  readonly transfers: Waiters<NodeId>;
  /** Callers that wait for a joint configuration to be left. */
  readonly jointWaiters: Waiters<ConfState>;
  /** Eight bytes, random per run. */
  readonly incarnation: Uint8Array;
  readonly stopped: Promise<BalsaError | undefined>;

  readonly #options: RaftNodeOptions<R>;
  readonly #storage: Recovered['storage'];
  readonly #runIncarnation: string;
  readonly #fetches = new Set<Promise<void>>();
  #resolveStopped: (error: BalsaError | undefined) => void = () => undefined;
  #restoring: SnapshotProgress | undefined;
  #role: NodeRole = 'follower';
  #leader: NodeId = 0;
  #term = 0;
  #pumping = false;
  #again = false;
  #turn: Timer | undefined;
  #tick: Timer | undefined;
  #tickDue = 0;
  #closing: Promise<void> | undefined;

  constructor(options: RaftNodeOptions<R>, settings: NodeSettings, recovered: Recovered) {
    const { env, stateMachine, transport } = options;
    const { storage, book } = recovered;
    this.#options = options;
    this.#storage = storage;
    this.settings = settings;
    this.env = env;
    this.book = book;
    this.identity = recovered.identity;
    this.#runIncarnation = randomHex64(env);
    this.incarnation = hexBytes(this.#runIncarnation);
    this.events = new NodeEmitter(env.log);
    this.stopped = new Promise((resolve) => {
      this.#resolveStopped = resolve;
    });
    this.history = new AppliedHistory(recovered.outline, recovered.applied, recovered.confState);
    this.core = new RawNode(coreConfig(settings, env, recovered.applied), {
      hardState: recovered.hardState,
      confState: recovered.confState.state,
      outline: recovered.outline,
    });
    this.#term = this.core.term;
    this.peers = new Peers(settings.id, transport, book);
    const metrics = this.metrics;
    const onError = (error: unknown): void => this.fail(error);
    const deliver = (responses: readonly Message[]): void => this.#deliver(responses);
    this.introductions = new Introductions({
      group: settings.group,
      transport,
      book,
      env,
      metrics,
      incarnation: recovered.identity.incarnation,
      onReleased: (messages) => this.#hear(messages),
      onError,
    });
    this.queue = new AppendQueue({
      storage,
      env,
      metrics,
      commitFlushMs: settings.commitFlushMs,
      hardState: recovered.storedHardState,
      deliver,
      storedId: (snapshot) => this.incoming.storedId(snapshot),
      restore: (id, snapshot) => this.#restore(id, snapshot),
      onError,
    });
    this.apply = new ApplyLoop<R>({
      stateMachine,
      env,
      metrics,
      history: this.history,
      applyConfChange: (change) => this.#applyConfChange(change),
      recordConf: (change, confState) => this.#recordConf(change, confState),
      onEntry: (entry, result, confState) => this.proposals.onEntry(entry, result, confState),
      onApplied: (entries, bytes) => this.#onApplied(entries, bytes),
      deliver,
      onError,
    });
    this.proposals = this.#makeProposals();
    this.reads = this.#makeReads();
    const onProgress = (progress: SnapshotProgress): void => this.events.emit('snapshot', progress);
    this.maker = new SnapshotMaker({
      id: settings.id,
      storage,
      stateMachine,
      env,
      metrics,
      history: this.history,
      firstIndex: () => this.compactor.firstIndex,
      onProgress,
    });
    this.out = new SnapshotsOut({
      group: settings.group,
      storage,
      transport,
      env,
      metrics,
      maxSending: settings.limits.maxSnapshotsSending,
      stallMs: settings.limits.snapshotStallMs,
      report: (peer, ok) => this.input(() => this.core.reportSnapshot(peer, ok)),
      onProgress,
    });
    this.incoming = new SnapshotsIn({
      storage,
      metrics,
      refusal: (message) => this.#refusal(message),
      onStored: (message) => void this.#onStored(message),
      onProgress,
    });
    this.compactor = new Compactor({
      settings: settings.compaction,
      storage,
      stateMachine,
      env,
      metrics,
      core: this.core,
      queue: this.queue,
      history: this.history,
      maker: this.maker,
      pinned: () => Math.min(this.out.pinnedIndex, this.maker.makingIndex ?? Infinity),
      firstIndex: recovered.outline.boundary.index + 1,
      onCompacted: (index) => this.#onCompacted(index),
      onError: (error) => this.#onHousekeepingError(error),
    });
    this.transfers = new Waiters<NodeId>(env);
    this.jointWaiters = new Waiters<ConfState>(env);
  }

  /** Joins the network and begins to tick. */
  async start(): Promise<void> {
    const { transport } = this.#options;
    const identity = { clusterId: this.identity.clusterId, nodeId: this.settings.id, incarnation: this.#runIncarnation };
    await transport.start(identity, this.#handler());
    this.peers.sync(this.core.status().confState);
    this.#armTick();
    this.schedule();
  }

  get running(): boolean {
    return this.#closing === undefined;
  }

  get restoring(): SnapshotProgress | undefined {
    return this.#restoring;
  }

  /** Gives the core an input and does what follows from it, in this turn. */
  input(give: () => void): void {
    if (!this.running) return;
    try {
      give();
    } catch (error) {
      this.fail(error);
      return;
    }
    this.pump();
  }

  /** Does what has gathered once the present turn is over, so that what arrives together goes together. */
  schedule(): void {
    if (!this.running || this.#turn !== undefined) return;
    this.#turn = this.env.setTimer(0, () => {
      this.#turn = undefined;
      this.pump();
    });
  }

  pump(): void {
    if (!this.running) return;
    if (this.#pumping) {
      this.#again = true;
      return;
    }
    this.#pumping = true;
    try {
      do {
        this.#again = false;
        this.proposals.flush();
        this.reads.flush();
        while (this.running && this.core.hasReady()) this.#handle(this.core.ready());
      } while (this.#again && this.running);
    } catch (error) {
      this.fail(error);
    } finally {
      this.#pumping = false;
    }
  }

  /** Stops for good because of `error`: votes for nothing, acknowledges nothing. */
  fail(error: unknown): void {
    if (!this.running) return;
    const cause = toBalsaError(error, 'INVARIANT_BROKEN', `node ${String(this.settings.id)} failed: ${String(error)}`);
    this.env.log.log(LogLevel.Error, `node ${String(this.settings.id)} stops: ${cause.code}: ${cause.message}`, { error });
    void this.close(cause);
  }

  /** Idempotent; ends within `stopTimeoutMs`. Never rejects. */
  close(cause: BalsaError | undefined): Promise<void> {
    this.#closing ??= this.#close(cause);
    return this.#closing;
  }

  // --- the work of a Ready

  #handle(ready: Ready): void {
    this.#noteState();
    for (const state of ready.readStates) this.reads.onReadState(state);
    const toPeers: Message[] = [];
    const local: Message[] = [];
    for (const message of ready.messages) {
      if (message.to === LocalAppendThread || message.to === LocalApplyThread || message.type === MessageType.MsgSnap) local.push(message);
      else toPeers.push(message);
    }
    // First to the peers: their disks work while this one does.
    if (toPeers.length > 0) this.#options.transport.send(this.settings.group, toPeers);
    for (const message of local) {
      if (message.to === LocalAppendThread) this.queue.push(message);
      else if (message.to === LocalApplyThread) this.apply.push(message);
      else this.out.send(message);
    }
    for (const fetch of ready.fetches) this.#fetch(fetch);
  }

  #noteState(): void {
    const { term, leader, state } = this.core;
    const role = roleOf(state);
    const newLeader = leader !== this.#leader;
    const newTerm = term !== this.#term;
    const newRole = role !== this.#role;
    if (!newLeader && !newTerm && !newRole) return;
    this.#leader = leader;
    this.#term = term;
    if (newRole) {
      if (role === 'candidate' || role === 'preCandidate') this.metrics.add('elections');
      if (this.#role === 'leader') this.out.abortAll('this node leads no longer');
      this.#role = role;
      this.events.emit('role', { role, term });
    }
    if (newLeader) {
      this.metrics.add('leaderChanges');
      this.events.emit('leader', { leader: leader === 0 ? undefined : leader, term });
      if (leader !== 0 && leader !== this.settings.id) this.transfers.resolve(leader);
    }
    if (newLeader || newTerm) {
      this.proposals.onLeaderChange();
      this.reads.onLeaderChange();
    }
  }

  #deliver(responses: readonly Message[]): void {
    if (!this.running) return;
    const toPeers = responses.filter((message) => message.to !== this.settings.id);
    if (toPeers.length > 0) this.#options.transport.send(this.settings.group, toPeers);
    this.input(() => {
      for (const message of responses) if (message.to === this.settings.id) this.#step(message);
    });
  }

  /** What a peer sends can be refused, never thrown further. */
  #step(message: Message): void {
    try {
      this.core.step(message);
    } catch (error) {
      if (!isBalsaError(error) || error.code === 'INVARIANT_BROKEN') throw error;
      this.metrics.rejected(error.code);
    }
  }

  #fetch(fetch: Fetch): void {
    const task = (fetch.purpose === 'snapshot' ? this.#fetchSnapshot(fetch) : this.#fetchEntries(fetch)).finally(() => this.#fetches.delete(task));
    this.#fetches.add(task);
  }

  async #fetchEntries(fetch: Fetch & { purpose: 'send' | 'apply' }): Promise<void> {
    try {
      const entries = await this.#storage.entries(fetch.low, fetch.high, fetch.maxBytes);
      this.input(() => this.#fetched(fetch.id, entries));
    } catch (error) {
      if (isBalsaError(error, 'STORE_COMPACTED')) this.input(() => this.core.fetchFailed(fetch.id, 'compacted'));
      else this.fail(error);
    }
  }

  /** What was read before the log below it was overwritten is of no use; the core asks again if it still wants it. */
  #fetched(id: number, entries: readonly Entry[]): void {
    try {
      this.core.fetched(id, entries);
    } catch (error) {
      if (!isBalsaError(error, 'INVALID_ARGUMENT')) throw error;
      this.env.log.log(LogLevel.Debug, `entries read for the core were overtaken: ${error.message}`);
      this.core.fetchFailed(id, 'unavailable');
    }
  }

  async #fetchSnapshot(fetch: Fetch & { purpose: 'snapshot' }): Promise<void> {
    try {
      const stored = await this.maker.findOrMake(fetch.minIndex, fetch.to);
      const { id, chunkCount, bytes, checksum, metadata } = stored;
      const { members, removed } = this.book;
      const data = encodeDescription({ id, chunkCount, bytes, checksum, members, removed });
      this.input(() => this.core.snapshotReady(fetch.id, { metadata, data }));
    } catch (error) {
      // A peer waits a little longer; this node can go on. The next write will tell when the store cannot.
      this.env.log.log(LogLevel.Warn, `no snapshot for node ${String(fetch.to)} now: ${String(error)}`, { error });
      this.env.setTimer(this.settings.tickMs, () => this.input(() => this.core.fetchFailed(fetch.id, 'unavailable')));
    }
  }

  // --- applying

  #applyConfChange(change: ConfChange): ConfState {
    const confState = this.core.applyConfChange(change);
    this.schedule();
    return confState;
  }

  async #recordConf(change: ConfChange, confState: IndexedConfState): Promise<void> {
    const members = decodeConfContext(change.context)?.members ?? [];
    await this.book.record(members, removedBy(change));
    await this.queue.writeConfState(confState);
    this.#membershipChanged(confState);
  }

  #membershipChanged(confState: IndexedConfState): void {
    this.peers.sync(confState.state);
    this.events.emit('membership', {
      index: confState.index,
      confState: confState.state,
      members: membersOf(confState.state, this.book),
    });
    if (confState.state.votersOutgoing.length === 0) this.jointWaiters.resolve(confState.state);
  }

  #onApplied(entries: number, bytes: number): void {
    this.reads.onApplied();
    this.compactor.onApplied(entries, bytes);
  }

  #onCompacted(index: LogIndex): void {
    this.history.compacted(index);
    this.events.emit('compacted', { index });
    this.input(() => this.core.compacted(index));
  }

  // --- snapshots

  #refusal(message: Message): string | undefined {
    const index = message.snapshot?.metadata.index ?? 0;
    if (message.term < this.core.term) return `it is of term ${String(message.term)}, this node is in term ${String(this.core.term)}`;
    if (index <= this.core.committed) return `it covers index ${String(index)}, this node has ${String(this.core.committed)}`;
    if (this.#restoring !== undefined) return 'another snapshot is being restored';
    return undefined;
  }

  /**
   * A change of membership that is still being applied belongs before the snapshot's membership, so the
   * core hears of the snapshot only while nothing is being applied.
   */
  async #onStored(message: Message): Promise<void> {
    while (!this.apply.idle) await this.apply.whenIdle();
    this.input(() => this.#step(message));
  }

  async #restore(id: SnapshotId, snapshot: Snapshot): Promise<void> {
    const { metadata } = snapshot;
    const reader = await this.#storage.openSnapshot(id);
    const total = reader.snapshot.chunkCount;
    const report = (chunks: number, state: SnapshotProgress['state']): void => {
      const progress: SnapshotProgress = { phase: 'restoring', peer: this.settings.id, index: metadata.index, chunks, totalChunks: total, state };
      this.#restoring = state === 'running' ? progress : undefined;
      this.events.emit('snapshot', progress);
    };
    report(0, 'running');
    try {
      await this.#options.stateMachine.restore(metadata, chunksOf(reader, (n) => report(n, 'running')));
      report(total, 'done');
    } catch (error) {
      report(0, 'failed');
      throw toBalsaError(error, 'STATE_MACHINE_FAILED', `the snapshot at index ${String(metadata.index)} could not be restored: ${String(error)}`);
    } finally {
      await reader.close();
    }
    const description = decodeDescription(snapshot.data);
    await this.book.record(description.members, description.removed);
    this.history.installed(metadata);
    this.metrics.add('snapshotsInstalled');
    this.compactor.onInstalled(metadata.index);
    this.proposals.onInstalled(metadata.index);
    this.reads.onApplied();
    this.#membershipChanged({ index: metadata.index, state: metadata.confState });
  }

  /** Housekeeping that could not be done now is tried again later, unless the store itself is lost. */
  #onHousekeepingError(error: unknown): void {
    if (isBalsaError(error, 'STORE_SNAPSHOT_ABORTED') || isBalsaError(error, 'STOPPED')) {
      this.env.log.log(LogLevel.Warn, `compaction is put off: ${error.message}`, { error });
      return;
    }
    this.fail(error);
  }

  // --- the network

  #handler(): TransportHandler {
    const ours = (group: string): boolean => {
      if (!this.running) return false;
      if (group === this.settings.group) return true;
      this.metrics.rejected('UNKNOWN_GROUP');
      return false;
    };
    return {
      onMessages: (group, messages) => {
        if (ours(group)) this.#hear(this.introductions.filter(messages));
      },
      onControl: (group, from, frame) => {
        if (ours(group)) this.#onControl(from, frame);
      },
      onDisconnect: (peer) => {
        if (!this.running) return;
        this.introductions.onDisconnect(peer);
        this.proposals.onDisconnect(peer);
      },
      onUnreachable: (group, peer) => {
        if (group === this.settings.group) this.input(() => this.core.reportUnreachable(peer));
      },
      onSnapshot: async (group, from, message, source) => {
        if (!ours(group)) throw new BalsaError('SNAPSHOT_TRANSFER_FAILED', `group ${group} is not served here`);
        if (!this.introductions.knows(from)) throw new BalsaError('SNAPSHOT_TRANSFER_FAILED', `node ${String(from)} has not said who it is`);
        return await this.incoming.onOffer(from, message, source);
      },
    };
  }

  #hear(messages: readonly Message[]): void {
    if (!this.running || messages.length === 0) return;
    try {
      for (const message of messages) {
        if (message.to !== this.settings.id || refusedTypes.has(message.type)) this.metrics.rejected('STEP_INVALID_MESSAGE');
        else this.#step(message);
      }
    } catch (error) {
      this.fail(error);
    }
    this.schedule();
  }

  #onControl(from: NodeId, bytes: Uint8Array): void {
    try {
      const frame = decodeFrame(bytes);
      if (frame.type === 'hello') void this.introductions.onHello(from, frame.incarnation);
      else if (frame.type === 'members') this.peers.learn(frame.members, this.core.status().confState);
      else this.proposals.onFrame(from, frame);
    } catch (error) {
      this.metrics.rejected(isBalsaError(error) ? error.code : 'WIRE_MALFORMED');
    }
  }

  // --- time

  #armTick(): void {
    this.#tickDue = this.env.now() + this.settings.tickMs;
    this.#tick = this.env.setTimer(this.settings.tickMs, () => this.#onTick());
  }

  #onTick(): void {
    if (!this.running) return;
    const { tickMs, electionTick } = this.settings;
    const delay = this.env.now() - this.#tickDue;
    this.metrics.add('ticks');
    this.metrics.observe('tickDelayMs', delay);
    if (delay > (tickMs * electionTick) / 2) {
      this.metrics.add('lateTicks');
      this.env.log.log(LogLevel.Warn, `a tick came ${String(Math.round(delay))} ms late: something blocked the event loop`, { delayMs: delay });
    }
    this.#armTick();
    this.input(() => {
      this.core.tick();
      this.#noteState();
      this.proposals.tick();
      this.reads.tick();
      this.transfers.tick();
      this.jointWaiters.tick();
      this.out.tick();
      this.compactor.tick();
      this.peers.tick();
      this.introductions.tick();
      if (this.core.state === StateType.Leader) this.#introduce();
    });
  }

  /** A new member knows nobody: the leader tells it where the others are, until it has something of the log. */
  #introduce(): void {
    for (const peer of this.core.status().progress) {
      if (peer.match > 0 || peer.id === this.settings.id) continue;
      this.#options.transport.sendControl(this.settings.group, peer.id, encodeFrame({ type: 'members', members: this.book.members }));
    }
  }

  // --- the end

  async #close(cause: BalsaError | undefined): Promise<void> {
    // Whoever called is in the middle of something: its turn ends first, with `running` already false.
    await Promise.resolve();
    this.#tick?.cancel();
    this.#turn?.cancel();
    this.proposals.close(cause);
    const stopped = new BalsaError('STOPPED', 'the node is stopped', cause === undefined ? {} : { cause });
    this.reads.close(stopped);
    this.transfers.reject(stopped);
    this.jointWaiters.reject(stopped);
    let timer: Timer | undefined;
    const bound = new Promise<void>((resolve) => {
      timer = this.env.setTimer(this.settings.stopTimeoutMs, () => {
        this.env.log.log(LogLevel.Error, `node ${String(this.settings.id)} did not stop within ${String(this.settings.stopTimeoutMs)} ms`);
        resolve();
      });
    });
    await Promise.race([this.#closeParts(cause), bound]);
    timer?.cancel();
    this.events.emit('stopped', cause === undefined ? {} : { error: cause });
    this.#resolveStopped(cause);
  }

  async #closeParts(cause: BalsaError | undefined): Promise<void> {
    const { transport, stateMachine, engine, ownEngine } = this.#options;
    await this.#quietly('transport', () => transport.stop());
    await Promise.all([this.incoming.close(), this.out.close(), this.maker.close()]);
    await this.apply.close();
    if (cause === undefined) await this.#quietly('last write', () => this.queue.flush());
    await this.queue.close();
    await this.compactor.close();
    await Promise.all(this.#fetches);
    await this.#quietly('state machine', () => stateMachine.close());
    await this.#quietly('address book', () => this.book.close());
    await this.#quietly('storage group', () => this.#storage.close());
    if (ownEngine === true) await this.#quietly('engine', () => engine.close());
  }

  /** One part that fails to close must not keep the others open. */
  async #quietly(what: string, close: () => Promise<void>): Promise<void> {
    try {
      await close();
    } catch (error) {
      this.env.log.log(LogLevel.Warn, `closing the ${what} of node ${String(this.settings.id)} failed: ${String(error)}`, { error });
    }
  }

  // --- making

  #makeProposals(): Proposals<R> {
    const { settings, env, metrics, core, book } = this;
    return new Proposals<R>({
      env,
      metrics,
      limits: settings.limits,
      incarnation: this.incarnation,
      requestTimeoutMs: settings.requestTimeoutMs,
      leaderWaitMs: settings.leaderWaitMs,
      maxBodyBytes: assertSafeInteger(this.identity.maxEntryBytes - entryOverheadBytes, 'maxEntryBytes', 64),
      core,
      applied: () => this.history.applied,
      sendControl: (peer, frame) => this.#options.transport.sendControl(settings.group, peer, frame),
      checkChange: (body) => checkChange(body, core.status(), book, settings.limits.maxPromoteLag),
      schedule: () => this.schedule(),
    });
  }

  #makeReads(): Reads {
    const { settings, env, metrics, core } = this;
    return new Reads({
      env,
      metrics,
      incarnation: this.incarnation,
      maxPending: settings.limits.maxReadsPending,
      retryTicks: settings.electionTick,
      requestTimeoutMs: settings.requestTimeoutMs,
      readIndex: (context) => core.readIndex(context),
      applied: () => this.history.applied,
      hasLeader: () => core.leader !== 0,
      schedule: () => this.schedule(),
    });
  }
}

function coreConfig(settings: NodeSettings, env: Env, applied: LogIndex): ConstructorParameters<typeof RawNode>[0] {
  const { limits } = settings;
  return {
    id: settings.id,
    electionTick: settings.electionTick,
    heartbeatTick: settings.heartbeatTick,
    applied,
    maxSizePerMsg: limits.maxMessageBytes,
    maxCommittedSizePerReady: limits.maxApplyBytes,
    maxUncommittedEntriesSize: limits.maxUncommittedBytes,
    maxInflightMsgs: limits.maxInflightMessages,
    maxInflightBytes: Math.max(limits.maxInflightBytes, limits.maxMessageBytes),
    entryCacheBytes: limits.entryCacheBytes,
    checkQuorum: settings.checkQuorum,
    preVote: settings.preVote,
    readOnlyOption: settings.readOnlyOption,
    // Forwarding is done beside the core, where its outcome can be told.
    disableProposalForwarding: true,
    disableConfChangeValidation: false,
    stepDownOnRemoval: true,
    asyncStorageWrites: true,
    random: () => env.random(),
    logger: env.log,
    peek: undefined,
  };
}
