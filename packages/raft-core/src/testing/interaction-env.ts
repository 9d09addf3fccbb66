/** A cluster in a transcript: nodes, messages on their way, and the loops that move them. */
import type { Fetch, Ready } from '../core.ts';
import { BalsaError, isBalsaError } from '../errors.ts';
import { LocalAppendThread, LocalApplyThread, type Message, type MessageType } from '../message.ts';
import { EmptyConfState, type HardState, type NodeId, type Snapshot } from '../types.ts';
import { describeEntries, describeMessage, describeMessages, describeReady } from '../describe.ts';
import { TranscriptNode, type MakeCore, type NodeOptions } from './transcript-node.ts';
import { TranscriptOutput } from './transcript-output.ts';

/** A start without snapshot: no members, no log. */
export const EmptySnapshot: Snapshot = Object.freeze({
  data: new Uint8Array(0),
  metadata: Object.freeze({ index: 0, term: 0, confState: EmptyConfState }),
});

export interface Delivery {
  readonly to: NodeId;
  readonly drop: boolean;
}

const isThread = (id: NodeId): boolean => id === LocalAppendThread || id === LocalApplyThread;

/** Whether a message never leaves its node: such are not lost. */
const isLocal = (m: Message): boolean => m.from === m.to || isThread(m.from) || isThread(m.to);

/** etcd's words for errors that transcripts show. */
export function transcriptError(error: unknown): string {
  if (isBalsaError(error, 'STEP_PEER_NOT_FOUND')) return 'raft: cannot step as peer not found';
  if (isBalsaError(error, 'STEP_LOCAL_MSG')) return 'raft: cannot step raft local message';
  if (isBalsaError(error, 'PROPOSAL_DROPPED')) return 'raft proposal dropped';
  // What a command was given wrongly, and refusals of its store, are output too; anything else is a defect.
  if (isBalsaError(error) && error.code !== 'INVARIANT_BROKEN') return error.message;
  throw error;
}

/** The loops end when nothing is left to do; a core that always finds more is stopped here. */
const maxRounds = 10_000;

export class InteractionEnv {
  readonly output: TranscriptOutput = new TranscriptOutput();
  readonly nodes: TranscriptNode[] = [];
  #messages: Message[] = [];
  readonly #makeCore: MakeCore;
  readonly #random: () => number;

  constructor(makeCore: MakeCore, random: () => number) {
    this.#makeCore = makeCore;
    this.#random = random;
  }

  node(id: NodeId): TranscriptNode {
    const node = this.nodes[id - 1];
    if (node === undefined) throw new BalsaError('INVALID_ARGUMENT', `there is no node ${String(id)}`);
    return node;
  }

  addNodes(count: number, options: NodeOptions, start: Snapshot): void {
    for (let i = 0; i < count; i++) {
      const id = this.nodes.length + 1;
      const { output } = this;
      this.nodes.push(
        new TranscriptNode({ id, start, options, output, random: this.#random, makeCore: this.#makeCore }),
      );
    }
  }

  enqueue(message: Message): void {
    this.#messages.push(message);
  }

  processReady(node: TranscriptNode): void {
    const ready = node.core.ready();
    const text = describeReady(ready);
    this.output.write(node.storage.cold && !text.endsWith('\n') ? `${text}\n` : text);
    if (!node.config.asyncStorageWrites) {
      node.persist(ready.hardState, ready.entries, ready.snapshot);
      node.apply(ready.committedEntries);
    }
    for (const message of ready.messages) {
      if (message.to === LocalAppendThread) node.appendWork.push(message);
      else if (message.to === LocalApplyThread) node.applyWork.push(message);
      else this.#messages.push(message);
    }
    if (!node.config.asyncStorageWrites) node.core.advance(ready);
    this.#answerFetches(node, ready);
  }

  processAppendThread(node: TranscriptNode): void {
    const message = node.appendWork.shift();
    if (message === undefined) {
      this.output.write('no append work to perform');
      return;
    }
    const { term, vote, commit } = message;
    this.#process(message, () => {
      const hardState: HardState | undefined =
        term + vote + commit === 0 ? undefined : { term, vote, commit };
      node.persist(hardState, message.entries, message.snapshot);
    });
  }

  processApplyThread(node: TranscriptNode): void {
    const message = node.applyWork.shift();
    if (message === undefined) {
      this.output.write('no apply work to perform');
      return;
    }
    this.#process(message, () => {
      node.apply(message.entries);
    });
  }

  /** Delivers or drops what is on its way to each recipient in turn; returns how many messages that were. */
  deliver(deliveries: readonly Delivery[], type?: MessageType): number {
    let count = 0;
    for (const { to, drop } of deliveries) {
      const messages = this.#takeMessages(to, drop, type);
      count += messages.length;
      for (const message of messages) {
        this.output.write(`${drop ? 'dropped: ' : ''}${describeMessage(message)}\n`);
        if (!drop) this.#step(message);
      }
    }
    return count;
  }

  /** Lets the nodes do all their work, in rounds: Readys, messages, append threads, apply threads. */
  stabilize(nodes: readonly TranscriptNode[]): void {
    for (let round = 0; round < maxRounds; round++) {
      if (!this.#round(nodes)) return;
    }
    throw new BalsaError('INVALID_ARGUMENT', `not stable after ${String(maxRounds)} rounds`);
  }

  raftLog({ storage }: TranscriptNode): void {
    const { firstIndex, lastIndex } = storage;
    if (lastIndex < firstIndex) {
      this.output.write(`log is empty: first index=${String(firstIndex)}, last index=${String(lastIndex)}`);
    } else this.output.write(describeEntries(storage.all()));
  }

  #round(nodes: readonly TranscriptNode[]): boolean {
    let busy = false;
    const section = (node: TranscriptNode, doing: string, work: () => void): void => {
      busy = true;
      this.output.write(`> ${String(node.id)} ${doing}\n`);
      this.output.indented(work);
    };
    for (const node of nodes) {
      if (!node.core.hasReady()) continue;
      section(node, 'handling Ready', () => {
        this.processReady(node);
      });
    }
    for (const node of nodes) {
      if (!this.#messages.some((m) => m.to === node.id)) continue;
      section(node, 'receiving messages', () => {
        this.deliver([{ to: node.id, drop: false }]);
      });
    }
    for (const node of nodes) {
      if (node.appendWork.length === 0) continue;
      section(node, 'processing append thread', () => {
        while (node.appendWork.length > 0) this.processAppendThread(node);
      });
    }
    for (const node of nodes) {
      if (node.applyWork.length === 0) continue;
      section(node, 'processing apply thread', () => {
        while (node.applyWork.length > 0) this.processApplyThread(node);
      });
    }
    return busy;
  }

  #process(message: Message, work: () => void): void {
    const { responses } = message;
    message.responses = [];
    this.output.write(`Processing:\n${describeMessage(message)}\n`);
    work();
    this.output.write(`Responses:\n${describeMessages(responses)}`);
    this.#messages.push(...responses);
  }

  #step(message: Message): void {
    try {
      this.node(message.to).core.step(message);
    } catch (error) {
      this.output.write(`${transcriptError(error)}\n`);
    }
  }

  #takeMessages(to: NodeId, drop: boolean, type: MessageType | undefined): Message[] {
    const taken: Message[] = [];
    const rest: Message[] = [];
    for (const message of this.#messages) {
      const matches =
        message.to === to && !(drop && isLocal(message)) && (type === undefined || message.type === type);
      (matches ? taken : rest).push(message);
    }
    this.#messages = rest;
    return taken;
  }

  /** The oldest fetch that waits is answered from the store, or fails. */
  answerFetch(node: TranscriptNode, failed: 'compacted' | 'unavailable' | undefined): void {
    const fetch = node.fetches.shift();
    if (fetch === undefined) {
      this.output.write('no fetches\n');
      return;
    }
    this.output.write(`${failed === undefined ? 'answered' : failed}: ${describeFetch(fetch)}\n`);
    if (failed !== undefined) node.core.fetchFailed(fetch.id, failed);
    else if (fetch.purpose === 'snapshot') node.core.snapshotReady(fetch.id, node.newestSnapshot);
    else node.core.fetched(fetch.id, node.storage.read(fetch.low, fetch.high, fetch.maxBytes) ?? []);
  }

  /** `peek` has all that a warm store has, so what is asked for there is not there. */
  #answerFetches(node: TranscriptNode, ready: Ready): void {
    for (const fetch of ready.fetches) {
      if (node.storage.cold) {
        this.output.write(`fetch: ${describeFetch(fetch)}\n`);
        node.fetches.push(fetch);
      } else node.core.fetchFailed(fetch.id, fetch.purpose === 'snapshot' ? 'unavailable' : 'compacted');
    }
  }
}

function describeFetch(fetch: Fetch): string {
  if (fetch.purpose === 'snapshot')
    return `snapshot at ${String(fetch.minIndex)} or above for ${String(fetch.to)}`;
  const range = `entries [${String(fetch.low)},${String(fetch.high)})`;
  return fetch.purpose === 'send' ? `${range} for ${String(fetch.to)}` : `${range} to apply`;
}
