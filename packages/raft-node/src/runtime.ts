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
  LocalAppendThread,
  LocalApplyThread,
  LogLevel,
  MessageType,
  randomHex64,
  RawNode,
  ReadOnlyOption,
  toBalsaError,
  type ConfChange,
  type Env,
  type IndexedConfState,
  type LogIndex,
  type Message,
  type NodeId,
  type RaftCore,
  type Ready,
  type SnapshotMetadata,
  type StoreIdentity,
} from '@balsa/raft-core';
import type { AddressBook } from './address-book.ts';
import { AppendQueue } from './append-queue.ts';
import { ApplyLoop } from './apply-loop.ts';
import { hexBytes } from './bytes.ts';
import { Compactor } from './compaction.ts';
import { decodeConfContext } from './conf-context.ts';
import { coreConfig } from './core-config.ts';
import { CommitNews } from './commit-news.ts';
import { Driver } from './driver.ts';
import { NodeEmitter } from './events.ts';
import { Fetcher } from './fetcher.ts';
import type { ControlFrame } from './forwarding.ts';
import { AppliedHistory } from './history.ts';
import { Inbox } from './inbox.ts';
import { Leadership } from './leadership.ts';
import { admitChange, membersOf, removedBy } from './membership.ts';
import { isLocal, isVoteRequest } from './message-kinds.ts';
import { MetricsRecorder } from './metrics.ts';
import type { NodeSettings, RaftNodeOptions } from './options.ts';
import { Peers } from './peers.ts';
import { Proposals } from './proposals.ts';
import { Reads } from './reads.ts';
import type { Recovered } from './recover.ts';
import { SerialMachine } from './serial-machine.ts';
import { closeAll, type ClosingStep } from './shutdown.ts';
import { Snapshots } from './snapshots.ts';
import { Ticker } from './ticker.ts';
import { NodeWaiters } from './waiters.ts';

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
  readonly snapshots: Snapshots;
  readonly compactor: Compactor;
  readonly peers: Peers;
  readonly waiting: NodeWaiters;
  /** Eight bytes, random per run. */
  readonly incarnation: Uint8Array;
  readonly stopped: Promise<BalsaError | undefined>;

  readonly #options: RaftNodeOptions<R>;
  readonly #release: ClosingStep[1];
  readonly #storage: Recovered['storage'];
  readonly #machine: SerialMachine<R>;
  readonly #runIncarnation: string;
  readonly #fetcher: Fetcher;
  readonly #leadership: Leadership;
  readonly #inbox: Inbox;
  readonly #ticker: Ticker;
  #resolveStopped: (error: BalsaError | undefined) => void = () => undefined;
  readonly #driver: Driver;
  readonly #commitNews: CommitNews;
  #closing: Promise<void> | undefined;

  /** `release` gives back what the node had to itself. */
  constructor(
    options: RaftNodeOptions<R>,
    settings: NodeSettings,
    recovered: Recovered,
    release: ClosingStep[1],
  ) {
    const { env } = options;
    this.#options = options;
    this.#release = release;
    this.#storage = recovered.storage;
    this.#machine = new SerialMachine<R>(options.stateMachine);
    this.settings = settings;
    this.env = env;
    this.book = recovered.book;
    this.identity = recovered.identity;
    this.#runIncarnation = randomHex64(env);
    this.incarnation = hexBytes(this.#runIncarnation);
    this.events = new NodeEmitter(env.log);
    this.stopped = new Promise((resolve) => {
      this.#resolveStopped = resolve;
    });
    this.history = new AppliedHistory(recovered.outline, recovered.applied, recovered.confState);
    this.core = new RawNode(coreConfig(settings, env, recovered.applied, options.tracer), {
      hardState: recovered.hardState,
      confState: recovered.confState.state,
      outline: recovered.outline,
    });
    options.onCore?.(this.core);
    this.#driver = this.#makeDriver();
    const isUrgent = (): boolean => this.core.hasPendingConf;
    this.#commitNews = new CommitNews(env, settings.commitNewsMs, isUrgent, (list) => this.#send(list));
    this.peers = new Peers(settings, options.transport, recovered.book, env.log);
    this.waiting = new NodeWaiters(env);
    this.snapshots = this.#makeSnapshots();
    this.queue = this.#makeQueue(recovered);
    this.apply = this.#makeApply();
    this.proposals = this.#makeProposals();
    this.reads = this.#makeReads();
    this.#leadership = this.#makeLeadership();
    this.compactor = this.#makeCompactor(recovered);
    this.#fetcher = this.#makeFetcher();
    this.#inbox = this.#makeInbox();
    const { tickMs, electionTick } = settings;
    this.#ticker = new Ticker({
      env,
      metrics: this.metrics,
      tickMs,
      lateMs: (tickMs * electionTick) / 2,
      onTick: () => this.#onTick(),
    });
  }

  /** Joins the network and begins to tick. */
  async start(): Promise<void> {
    const { transport } = this.#options;
    const { clusterId } = this.identity;
    const identity = { clusterId, nodeId: this.settings.id, incarnation: this.#runIncarnation };
    await transport.start(identity, this.#inbox.handler());
    this.peers.sync(this.core.status().confState);
    this.#ticker.start();
    this.#driver.schedule();
  }

  get running(): boolean {
    return this.#closing === undefined;
  }

  /** Gives the core an input and does what follows from it, in this turn. */
  input(give: () => void): void {
    this.#driver.input(give);
  }

  /** Stops for good because of `error`: votes for nothing, acknowledges nothing. */
  fail(error: unknown): void {
    if (!this.running) return;
    const node = `node ${String(this.settings.id)}`;
    const cause = toBalsaError(error, 'INVARIANT_BROKEN', `${node} failed: ${String(error)}`);
    this.env.log.log(LogLevel.Error, `${node} stops: ${cause.code}: ${cause.message}`, { error });
    void this.close(cause);
  }

  /** Idempotent; ends within `stopTimeoutMs`. Never rejects. */
  close(cause: BalsaError | undefined): Promise<void> {
    this.#closing ??= this.#close(cause);
    return this.#closing;
  }

  // --- the work of a Ready

  #handle(ready: Ready): void {
    this.#leadership.note();
    for (const state of ready.readStates) this.reads.onReadState(state);
    // First to the peers: their disks work while this one does.
    this.#send(ready.messages.filter((m) => !isLocal(m) && !isVoteRequest(m) && this.#commitNews.admits(m)));
    const requests = ready.messages.filter(isVoteRequest);
    // A candidate is always of a new term, so that there is a write.
    for (const message of ready.messages) {
      if (message.to === LocalAppendThread) this.queue.push(message, requests);
      else if (message.to === LocalApplyThread) this.apply.push(message);
      else if (message.type === MessageType.MsgSnap) this.snapshots.out.send(message);
    }
    for (const fetch of ready.fetches) this.#fetcher.fetch(fetch);
  }

  #send(messages: readonly Message[]): void {
    if (this.running && messages.length > 0) this.#options.transport.send(this.settings.group, messages);
  }

  #deliver(responses: readonly Message[]): void {
    if (!this.running) return;
    this.#send(responses.filter((message) => message.to !== this.settings.id));
    this.input(() => {
      for (const message of responses) if (message.to === this.settings.id) this.#driver.step(message);
    });
  }

  // --- applying

  async #recordConf(change: ConfChange, confState: IndexedConfState): Promise<void> {
    const members = decodeConfContext(change.context)?.members ?? [];
    await this.book.record(members, removedBy(change, this.history.confState?.state, confState.state));
    await this.queue.writeConfState(confState);
    this.#membershipChanged(confState);
  }

  #membershipChanged(confState: IndexedConfState): void {
    this.peers.sync(confState.state);
    this.#commitNews.keep(confState.state);
    this.events.emit('membership', {
      index: confState.index,
      confState: confState.state,
      members: membersOf(confState.state, this.book),
    });
    if (confState.state.votersOutgoing.length === 0) this.waiting.joint.resolve(confState.state);
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

  /**
   * A change of membership that is still being applied belongs before the snapshot's membership, so the
   * core hears of the snapshot only while nothing is being applied.
   */
  async #onStored(message: Message): Promise<void> {
    while (!this.apply.idle) await this.apply.whenIdle();
    this.input(() => this.#driver.step(message));
  }

  #onInstalled(metadata: SnapshotMetadata): void {
    this.history.installed(metadata);
    this.metrics.add('snapshotsInstalled');
    this.compactor.onInstalled(metadata.index);
    this.proposals.onInstalled(metadata.index);
    this.reads.onApplied();
    this.#membershipChanged({ index: metadata.index, state: metadata.confState });
  }

  /** In this turn: the transport has gathered what came together, and waiting another one only costs latency. */
  #onMessages(messages: readonly Message[]): void {
    this.input(() => {
      for (const message of messages) this.#driver.step(message);
    });
  }

  #onFrame(from: NodeId, frame: ControlFrame): void {
    if (frame.type === 'hello') void this.#inbox.introductions.onHello(from, frame.incarnation);
    else if (frame.type === 'members') this.peers.learn(frame.members);
    else this.proposals.onFrame(from, frame);
  }

  #onTick(): void {
    this.input(() => {
      this.core.tick();
      this.#leadership.note();
      this.proposals.tick();
      this.reads.tick();
      this.waiting.tick();
      this.snapshots.out.tick();
      this.compactor.tick();
      this.peers.tick();
      this.#inbox.introductions.tick();
      this.peers.introduce(this.core);
    });
  }

  // --- the end

  async #close(cause: BalsaError | undefined): Promise<void> {
    // Whoever called is in the middle of something: its turn ends first, with `running` already false.
    await Promise.resolve();
    this.#ticker.stop();
    this.#driver.stop();
    this.proposals.close(cause);
    const stopped = new BalsaError('STOPPED', 'the node is stopped', cause === undefined ? {} : { cause });
    this.reads.close(stopped);
    this.waiting.reject(stopped);
    const { transport, engine, ownEngine } = this.#options;
    const steps: ClosingStep[] = [
      ['transport', () => transport.stop()],
      ['snapshots', () => this.snapshots.close()],
      ['apply loop', () => this.apply.close()],
      ['last write', () => (cause === undefined ? this.queue.flush() : Promise.resolve())],
      ['append queue', () => this.queue.close()],
      ['compactor', () => this.compactor.close()],
      ['fetches', () => this.#fetcher.close()],
      ['state machine', () => this.#machine.close()],
      ['address book', () => this.book.close()],
      ['storage group', () => this.#storage.close()],
      ['engine', () => (ownEngine === true ? engine.close() : Promise.resolve())],
      // Last: what does not close in time is not to be given to another node.
      ['claims', this.#release],
    ];
    // In this order: nothing new comes in, what is under way ends, then what it stood on is closed.
    await closeAll(`node ${String(this.settings.id)}`, this.env, this.settings.stopTimeoutMs, steps);
    this.events.emit('stopped', cause === undefined ? {} : { error: cause });
    this.#resolveStopped(cause);
  }

  // --- making

  #makeProposals(): Proposals<R> {
    const { settings, env, metrics, core } = this;
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
      checkChange: (body) => admitChange(body, this, this.#options.transport),
      schedule: () => this.#driver.schedule(),
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
      schedule: () => this.#driver.schedule(),
    });
  }

  #makeDriver(): Driver {
    const { core, env, metrics, settings } = this;
    const leases = settings.readOnlyOption === ReadOnlyOption.LeaseBased;
    return new Driver({
      core,
      env,
      metrics,
      running: () => this.running,
      missedTicks: () => (leases ? this.#ticker.missed() : 0),
      flush: () => {
        this.proposals.flush();
        this.reads.flush();
      },
      onReady: (ready) => this.#handle(ready),
      onError: (error) => this.fail(error),
    });
  }

  #makeQueue(recovered: Recovered): AppendQueue {
    const { env, metrics, settings } = this;
    return new AppendQueue({
      storage: this.#storage,
      env,
      metrics,
      commitFlushMs: settings.commitFlushMs,
      hardState: recovered.storedHardState,
      deliver: (responses) => this.#deliver(responses),
      storedId: (snapshot) => this.snapshots.incoming.storedId(snapshot),
      installer: this.snapshots.installer,
      onError: (error) => this.fail(error),
    });
  }

  #makeApply(): ApplyLoop<R> {
    const { env, metrics, history, settings } = this;
    return new ApplyLoop<R>({
      stateMachine: this.#machine,
      env,
      metrics,
      history,
      applyConfChange: (change) => {
        this.#driver.schedule();
        return this.core.applyConfChange(change);
      },
      isUrgent: () => this.core.leader === settings.id,
      recordConf: (change, confState) => this.#recordConf(change, confState),
      onEntry: (entry, result, confState) => this.proposals.onEntry(entry, result, confState),
      onApplied: (entries, bytes) => this.#onApplied(entries, bytes),
      deliver: (responses) => this.#deliver(responses),
      onError: (error) => this.fail(error),
    });
  }

  #makeSnapshots(): Snapshots {
    const { settings, core, env, metrics, history, book } = this;
    const { transport } = this.#options;
    return new Snapshots({
      settings,
      core,
      storage: this.#storage,
      stateMachine: this.#machine,
      transport,
      env,
      metrics,
      history,
      book,
      firstIndex: () => this.compactor.firstIndex,
      onProgress: (progress) => this.events.emit('snapshot', progress),
      report: (peer, ok) => this.input(() => core.reportSnapshot(peer, ok)),
      onStored: (message) => void this.#onStored(message),
      onInstalled: (metadata) => this.#onInstalled(metadata),
    });
  }

  #makeLeadership(): Leadership {
    const { core, events, metrics } = this;
    return new Leadership({
      core,
      events,
      metrics,
      onDeposed: () => this.snapshots.out.abortAll('this node leads no longer'),
      onChange: (leader) => {
        this.waiting.onLeader(leader, this.settings.id);
        this.proposals.onLeaderChange();
        this.reads.onLeaderChange();
      },
    });
  }

  #makeCompactor(recovered: Recovered): Compactor {
    const { env, metrics, core, queue, history, snapshots, settings } = this;
    return new Compactor({
      settings: settings.compaction,
      storage: this.#storage,
      stateMachine: this.#machine,
      env,
      metrics,
      core,
      queue,
      history,
      maker: snapshots.maker,
      pinned: () => snapshots.pinnedIndex,
      activeMs: 2 * settings.electionTick * settings.tickMs,
      idleSince: () => snapshots.idleSince,
      firstIndex: recovered.outline.boundary.index + 1,
      onCompacted: (index) => this.#onCompacted(index),
      onError: (error) => this.fail(error),
    });
  }

  #makeFetcher(): Fetcher {
    const { core, snapshots, book, env, settings } = this;
    return new Fetcher({
      core,
      storage: this.#storage,
      maker: snapshots.maker,
      book,
      env,
      retryMs: settings.tickMs,
      input: (give) => this.input(give),
      onError: (error) => this.fail(error),
    });
  }

  #makeInbox(): Inbox {
    const { env, metrics, book, snapshots, settings } = this;
    return new Inbox({
      id: settings.id,
      group: settings.group,
      transport: this.#options.transport,
      book,
      env,
      metrics,
      incarnation: this.identity.incarnation,
      incoming: snapshots.incoming,
      running: () => this.running,
      onMessages: (messages) => this.#onMessages(messages),
      onFrame: (from, frame) => this.#onFrame(from, frame),
      onDisconnect: (peer) => this.proposals.onDisconnect(peer),
      onUnreachable: (peer) => this.input(() => this.core.reportUnreachable(peer)),
      onError: (error) => this.fail(error),
    });
  }
}
