/**
 * A network of RawNodes for tests. Every node has a small disk: what was written survives `crash`, what was
 * not does not. Everything is synchronous and in the order that the test chooses.
 */
import {
  EmptyConfState,
  EmptyHardState,
  LocalAppendThread,
  LocalApplyThread,
  MessageType,
  Outline,
  RawNode,
  decodeConfChange,
  EntryType,
  limitSize,
  isBalsaError,
  type ConfState,
  type Entry,
  type Fetch,
  type HardState,
  type LogIndex,
  type Message,
  type NodeId,
  type RaftInitialState,
  type RawNodeConfig,
  type Ready,
  type Snapshot,
} from '../../src/index.ts';

/** Deterministic randomness (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export function confStateOf(voters: readonly NodeId[], learners: readonly NodeId[] = []): ConfState {
  return { ...EmptyConfState, voters: [...voters], learners: [...learners] };
}

export function text(data: Uint8Array): string {
  return String.fromCharCode(...data);
}

export function bytes(value: string): Uint8Array {
  return Uint8Array.from(value, (c) => c.charCodeAt(0));
}

/** What survives a crash. */
export class Disk {
  entries: Entry[] = [];
  outline: Outline = new Outline();
  hardState: HardState = EmptyHardState;
  confState: ConfState;
  applied: LogIndex = 0;
  /** What the state machine holds: the payloads applied, in order. */
  state: string[] = [];
  snapshots: { snapshot: Snapshot; state: string[] }[] = [];

  constructor(confState: ConfState) {
    this.confState = confState;
  }

  append(entries: readonly Entry[]): void {
    const first = entries[0];
    if (first === undefined) return;
    this.entries.length = Math.max(0, first.index - this.outline.firstIndex);
    this.entries.push(...entries);
    this.outline.append(entries);
  }

  read(low: LogIndex, high: LogIndex, maxBytes: number): readonly Entry[] | undefined {
    const first = this.outline.firstIndex;
    if (low < first || high > this.outline.lastIndex + 1) return undefined;
    return limitSize(this.entries.slice(low - first, high - first), maxBytes);
  }

  install(snapshot: Snapshot): void {
    this.entries = [];
    this.outline.reset(snapshot.metadata);
    this.confState = snapshot.metadata.confState;
    this.applied = snapshot.metadata.index;
    this.state = JSON.parse(text(snapshot.data)) as string[];
  }

  snapshot(): Snapshot {
    const index = this.applied;
    return {
      metadata: { index, term: this.outline.term(index) ?? 0, confState: this.confState },
      data: bytes(JSON.stringify(this.state)),
    };
  }

  compact(index: LogIndex): void {
    this.entries.splice(0, index + 1 - this.outline.firstIndex);
    this.outline.compactTo(index);
  }
}

export type MakeNode = (config: RawNodeConfig, initial: RaftInitialState) => RawNode;

const makeRawNode: MakeNode = (config, initial) => new RawNode(config, initial);

/** One member: a core, its disk, and the work that waits for it. */
export class Member {
  readonly id: NodeId;
  readonly disk: Disk;
  readonly appends: Message[] = [];
  readonly applies: Message[] = [];
  readonly fetches: Fetch[] = [];
  readonly reads: { index: LogIndex; context: string }[] = [];
  /** Refused messages, by code. */
  readonly refusals: string[] = [];
  readonly readies: Ready[] = [];
  /** Fetches for peers wait to be answered by the test. */
  holdFetches = false;
  node: RawNode;
  readonly #config: RawNodeConfig;

  readonly #make: MakeNode;

  constructor(config: RawNodeConfig, disk: Disk, make: MakeNode = makeRawNode) {
    this.id = config.id;
    this.disk = disk;
    this.#config = config;
    this.#make = make;
    this.node = this.#start();
  }

  #start(): RawNode {
    const { hardState, confState, applied, outline } = this.disk;
    const commit = Math.max(hardState.commit, applied);
    return this.#make(
      { ...this.#config, applied },
      { hardState: { ...hardState, commit }, confState, outline: outline.toData() },
    );
  }

  /** Loses everything but the disk, and starts again. */
  restart(): void {
    this.appends.length = 0;
    this.applies.length = 0;
    this.fetches.length = 0;
    this.node = this.#start();
  }

  /** Takes one Ready; returns what goes to others. */
  takeReady(): Message[] {
    if (!this.node.hasReady()) return [];
    const ready = this.node.ready();
    this.readies.push(ready);
    for (const { index, context } of ready.readStates) this.reads.push({ index, context: text(context) });
    this.fetches.push(...ready.fetches);
    const out: Message[] = [];
    if (this.#config.asyncStorageWrites === false) {
      this.#persist(ready.entries, ready.hardState, ready.snapshot);
      out.push(...ready.messages);
      this.#apply(ready.committedEntries);
      this.node.advance(ready);
      return out;
    }
    for (const message of ready.messages) {
      if (message.to === LocalAppendThread) this.appends.push(message);
      else if (message.to === LocalApplyThread) this.applies.push(message);
      else out.push(message);
    }
    return out;
  }

  /** Does the oldest write; returns its responses to others. */
  doAppend(): Message[] {
    const message = this.appends.shift();
    if (message === undefined) return [];
    const { term, vote, commit } = message;
    const hardState = term !== 0 || vote !== 0 || commit !== 0 ? { term, vote, commit } : undefined;
    this.#persist(message.entries, hardState, message.snapshot);
    return this.#respond(message.responses);
  }

  doApply(): Message[] {
    const message = this.applies.shift();
    if (message === undefined) return [];
    this.#apply(message.entries);
    return this.#respond(message.responses);
  }

  answerFetch(): boolean {
    const fetch = this.fetches.shift();
    if (fetch === undefined) return false;
    this.answer(fetch);
    return true;
  }

  answer(fetch: Fetch): void {
    if (fetch.purpose === 'snapshot') {
      const snapshot = this.disk.snapshot();
      if (snapshot.metadata.index >= fetch.minIndex) this.node.snapshotReady(fetch.id, snapshot);
      else this.node.fetchFailed(fetch.id, 'unavailable');
      return;
    }
    const entries = this.disk.read(fetch.low, fetch.high, fetch.maxBytes);
    if (entries === undefined || entries.length === 0) this.node.fetchFailed(fetch.id, 'compacted');
    else this.node.fetched(fetch.id, entries);
  }

  step(message: Message): void {
    try {
      this.node.step(message);
    } catch (error) {
      if (!isBalsaError(error) || error.code === 'INVARIANT_BROKEN') throw error;
      this.refusals.push(error.code);
    }
  }

  compact(index: LogIndex): void {
    this.disk.compact(index);
    this.node.compacted(index);
  }

  #respond(responses: readonly Message[]): Message[] {
    const out: Message[] = [];
    for (const response of responses) {
      if (response.to === this.id) this.step(response);
      else out.push(response);
    }
    return out;
  }

  #persist(
    entries: readonly Entry[],
    hardState: HardState | undefined,
    snapshot: Snapshot | undefined,
  ): void {
    if (snapshot !== undefined) this.disk.install(snapshot);
    this.disk.append(entries);
    if (hardState !== undefined) this.disk.hardState = hardState;
  }

  #apply(entries: readonly Entry[]): void {
    for (const entry of entries) {
      // A snapshot that was restored meanwhile has overtaken it.
      if (entry.index <= this.disk.applied) continue;
      if (entry.index !== this.disk.applied + 1) {
        throw new Error(
          `${String(this.id)} applies ${String(entry.index)} after ${String(this.disk.applied)}`,
        );
      }
      if (entry.type !== EntryType.Normal) {
        this.disk.confState = this.node.applyConfChange(decodeConfChange(entry.type, entry.data));
      } else if (entry.data.length > 0) {
        this.disk.state.push(text(entry.data));
      }
      this.disk.applied = entry.index;
    }
  }
}

export interface NetworkOptions {
  readonly voters?: readonly NodeId[];
  readonly learners?: readonly NodeId[];
  /** Members that exist but are in no configuration yet. */
  readonly blank?: readonly NodeId[];
  readonly seed?: number;
  readonly config?: Partial<RawNodeConfig>;
  /** Makes the core of every member, at each of its starts. */
  readonly make?: MakeNode;
  /** A peek that answers everything from the disk. */
  readonly peek?: boolean;
}

export class Network {
  readonly members: Map<NodeId, Member> = new Map();
  /** Messages on their way, oldest first. */
  wire: Message[] = [];
  /** Every message that was handed to the wire. */
  readonly sent: Message[] = [];
  readonly #cut: Set<NodeId> = new Set();
  /** A message for which this says true is lost. */
  drop: (message: Message) => boolean = () => false;

  constructor(options: NetworkOptions = {}) {
    const voters = options.voters ?? [1, 2, 3];
    const confState = confStateOf(voters, options.learners);
    for (const id of [...voters, ...(options.learners ?? [])]) this.#add(id, confState, options);
    for (const id of options.blank ?? []) this.#add(id, EmptyConfState, options);
  }

  #add(id: NodeId, confState: ConfState, options: NetworkOptions): void {
    const disk = new Disk(confState);
    if (confState !== EmptyConfState) {
      // As bootstrapped: the membership at index 1 is not in the log, so whoever joins needs a snapshot.
      disk.outline.reset({ index: 1, term: 1 });
      disk.applied = 1;
    }
    const peek = {
      entries: (low: LogIndex, high: LogIndex, max: number) => disk.read(low, high, max),
      snapshot: () => disk.snapshot(),
    };
    const config: RawNodeConfig = {
      id,
      random: seeded((options.seed ?? 1) * 1000 + id),
      electionTick: 10,
      preVote: false,
      checkQuorum: false,
      peek: options.peek === true ? peek : undefined,
      ...options.config,
    };
    this.members.set(id, new Member(config, disk, options.make));
  }

  member(id: NodeId): Member {
    const member = this.members.get(id);
    if (member === undefined) throw new Error(`no member ${String(id)}`);
    return member;
  }

  node(id: NodeId): RawNode {
    return this.member(id).node;
  }

  /** Cuts these members off from all others; no argument heals everything. */
  isolate(...ids: NodeId[]): void {
    this.#cut.clear();
    for (const id of ids) this.#cut.add(id);
  }

  put(messages: readonly Message[]): void {
    for (const message of messages) {
      this.sent.push(message);
      if (this.drop(message) || this.#cut.has(message.to) || this.#cut.has(message.from)) this.lose(message);
      else this.wire.push(message);
    }
  }

  deliver(message: Message): void {
    this.members.get(message.to)?.step(message);
    this.#report(message, true);
  }

  /** The message never arrives; of a snapshot the sender is told. */
  lose(message: Message): void {
    this.#report(message, false);
  }

  #report(message: Message, ok: boolean): void {
    if (message.type === MessageType.MsgSnap)
      this.members.get(message.from)?.node.reportSnapshot(message.to, ok);
  }

  /** Works until nothing is left to do. */
  stabilize(): void {
    for (let round = 0; ; round++) {
      if (round > 10_000) throw new Error('the network does not come to rest');
      let busy = false;
      for (const member of this.members.values()) {
        if (member.node.hasReady()) {
          this.put(member.takeReady());
          busy = true;
        }
        for (; member.appends.length > 0; busy = true) this.put(member.doAppend());
        for (; member.applies.length > 0; busy = true) this.put(member.doApply());
        const at = member.fetches.findIndex((fetch) => !member.holdFetches || fetch.purpose === 'apply');
        for (const fetch of at < 0 ? [] : member.fetches.splice(at, 1)) {
          member.answer(fetch);
          busy = true;
        }
      }
      const wire = this.wire;
      this.wire = [];
      for (const message of wire) {
        this.deliver(message);
        busy = true;
      }
      if (!busy && this.wire.length === 0) return;
    }
  }

  elect(id: NodeId): void {
    this.node(id).campaign();
    this.stabilize();
  }

  propose(id: NodeId, ...payloads: string[]): void {
    for (const payload of payloads) this.node(id).propose(bytes(payload));
    this.stabilize();
  }

  tick(id: NodeId, times = 1): void {
    for (let i = 0; i < times; i++) this.node(id).tick();
  }

  heartbeat(id: NodeId): void {
    this.tick(id);
    this.stabilize();
  }

  states(): string[][] {
    return [...this.members.values()].map((member) => member.disk.state);
  }
}
