/** Our connection to one peer: what waits for it, and dialling it again and again. */
import {
  BalsaError,
  encodeMessage,
  LogLevel,
  messageSize,
  type Message,
  type NodeId,
  type PeerAddress,
  type Timer,
} from '@balsa/raft-core';
import type { Channel } from './channel.ts';
import { dial } from './dial.ts';
import { FrameKind, frameSize, malformed, maxGroupUnits, writeFrameHead, writeFrameTail } from './frame.ts';
import type { Hello } from './handshake.ts';
import { notify, warn, type Shared } from './shared.ts';

/** A message or a control frame, with the size of its body and of the whole frame in bytes. */
type Queued =
  | { readonly group: string; readonly message: Message; readonly bodyBytes: number; readonly bytes: number }
  | {
      readonly group: string;
      readonly message: undefined;
      readonly frame: Uint8Array;
      readonly bodyBytes: number;
      readonly bytes: number;
    };

/**
 * - `connecting`: dialling or shaking hands; messages wait.
 * - `open`: they flow.
 * - `waiting`: the last attempt failed and the next is not due; messages are dropped, for a Raft message
 *   that waited out an outage is worth nothing.
 */
type State = 'connecting' | 'open' | 'waiting' | 'closed';

export class OutgoingPeer {
  readonly #shared: Shared;
  readonly #peer: NodeId;
  #address: PeerAddress;
  #state: State = 'waiting';
  #channel: Channel | undefined;
  #incarnation: string | undefined;
  #theirMaxFrameBytes = 0;
  #failures = 0;
  #redial: Timer | undefined;
  #flushScheduled = false;
  #queue: Queued[] = [];
  #queuedBytes = 0;
  /** Groups that have been told of the present loss or overflow. */
  readonly #told = new Set<string>();

  constructor(shared: Shared, peer: NodeId, address: PeerAddress) {
    this.#shared = shared;
    this.#peer = peer;
    this.#address = address;
    this.#dial();
  }

  get address(): PeerAddress {
    return this.#address;
  }

  get connected(): boolean {
    return this.#state === 'open';
  }

  setAddress(address: PeerAddress): void {
    if (address === this.#address) return;
    this.#address = address;
    this.#failures = 0;
    this.#dropConnection('its address changed');
    this.#dial();
  }

  /** The process behind the peer is another now: a connection to the old one is dead, whatever TCP believes. */
  expectIncarnation(incarnation: string): void {
    if (this.#state === 'waiting') {
      // It has just talked to us, so it is there: no need to sit out the back-off.
      this.#failures = 0;
      this.#dial();
    } else if (this.#state === 'open' && this.#incarnation !== incarnation) {
      this.#failures = 0;
      this.#dropConnection('its process was restarted');
      this.#dial();
    }
  }

  send(group: string, message: Message): void {
    const { counters, limits } = this.#shared;
    let bodyBytes: number;
    try {
      bodyBytes = messageSize(message);
      if (group.length > maxGroupUnits)
        throw new BalsaError(
          'INVALID_ARGUMENT',
          `a group id has at most ${String(maxGroupUnits)} UTF-16 units`,
        );
    } catch (error) {
      counters.droppedMessages++;
      this.#shared.env.log.log(LogLevel.Error, 'a message that has no encoding was not sent', { error });
      return;
    }
    const bytes = frameSize(group, bodyBytes);
    const tooLarge = bytes > this.#maxFrameBytes();
    if (tooLarge) {
      counters.reject({ code: 'WIRE_TOO_LARGE' });
      warn(
        this.#shared,
        `a message of ${String(bytes)} bytes to node ${String(this.#peer)} is larger than the limit of ${String(this.#maxFrameBytes())}`,
      );
    }
    if (
      tooLarge ||
      (this.#state !== 'open' && this.#state !== 'connecting') ||
      !this.#hasRoom(bytes, limits.maxQueuedMessages)
    ) {
      counters.droppedMessages++;
      this.#tellUnreachable(group);
      return;
    }
    this.#enqueue({ group, message, bodyBytes, bytes });
  }

  sendControl(group: string, frame: Uint8Array): boolean {
    const bytes = frameSize(group, frame.length);
    if (this.#state !== 'open' || group.length > maxGroupUnits) return false;
    if (bytes > this.#maxFrameBytes() || !this.#hasRoom(bytes, this.#shared.limits.maxQueuedMessages))
      return false;
    this.#enqueue({ group, message: undefined, frame, bodyBytes: frame.length, bytes });
    return true;
  }

  /** Nothing is sent or dialled any more. */
  close(why: string): void {
    if (this.#state === 'closed') return;
    this.#dropConnection(why);
    this.#redial?.cancel();
    this.#state = 'closed';
  }

  // --- the connection

  #dial(): void {
    this.#redial?.cancel();
    this.#redial = undefined;
    this.#state = 'connecting';
    const channel: Channel = dial({
      shared: this.#shared,
      peer: this.#peer,
      address: this.#address,
      purpose: 'messages',
      onOpen: (theirs) => {
        this.#opened(theirs);
      },
      onFrame: () => {
        throw malformed('a frame came against the direction of its connection');
      },
      onDrain: () => {
        this.#scheduleFlush();
      },
      onClose: (error) => {
        if (this.#channel === channel) this.#lost(error);
      },
    });
    this.#channel = channel;
  }

  #opened(theirs: Hello): void {
    this.#state = 'open';
    this.#incarnation = theirs.incarnation;
    this.#theirMaxFrameBytes = theirs.maxFrameBytes;
    this.#failures = 0;
    this.#told.clear();
    this.#scheduleFlush();
  }

  #lost(error: BalsaError): void {
    const wasOpen = this.#state === 'open';
    this.#channel = undefined;
    this.#state = 'waiting';
    const groups = this.#dropQueue();
    this.#redialLater(error);
    if (wasOpen)
      notify(this.#shared, (handler) => {
        handler.onDisconnect(this.#peer);
      });
    for (const group of groups) this.#tellUnreachable(group);
  }

  /** On our own account, from inside a call of the user: what is to be told is told after that call. */
  #dropConnection(why: string): void {
    const channel = this.#channel;
    const wasOpen = this.#state === 'open';
    this.#channel = undefined;
    this.#state = 'waiting';
    this.#dropQueue();
    channel?.close(
      new BalsaError('PEER_UNREACHABLE', `the connection to node ${String(this.#peer)} was given up: ${why}`),
    );
    if (!wasOpen) return;
    this.#shared.env.setTimer(0, () => {
      notify(this.#shared, (handler) => {
        handler.onDisconnect(this.#peer);
      });
    });
  }

  #redialLater(error: BalsaError): void {
    const { env, limits } = this.#shared;
    const wait = Math.min(limits.reconnectMaxMs, limits.reconnectMinMs * 2 ** Math.min(this.#failures, 30));
    // Said once per outage: an address that never answers must not fill the log.
    if (this.#failures === 0)
      warn(
        this.#shared,
        `node ${String(this.#peer)} at ${this.#address} cannot be reached: ${error.message}`,
        { code: error.code },
      );
    this.#failures++;
    // Between half and the whole, so that peers of a node that returns do not all dial in one instant.
    this.#redial = env.setTimer(wait * (0.5 + env.random() / 2), () => {
      this.#dial();
    });
  }

  #tellUnreachable(group: string): void {
    if (this.#told.has(group)) return;
    this.#told.add(group);
    this.#shared.env.setTimer(0, () => {
      notify(this.#shared, (handler) => {
        handler.onUnreachable(group, this.#peer);
      });
    });
  }

  // --- the queue

  #maxFrameBytes(): number {
    const ours = this.#shared.limits.maxFrameBytes;
    return this.#state === 'open' ? Math.min(ours, this.#theirMaxFrameBytes) : ours;
  }

  #hasRoom(bytes: number, maxCount: number): boolean {
    return this.#queue.length < maxCount && this.#queuedBytes + bytes <= this.#shared.limits.maxQueuedBytes;
  }

  #enqueue(item: Queued): void {
    this.#queue.push(item);
    this.#queuedBytes += item.bytes;
    if (this.#state === 'open') this.#scheduleFlush();
  }

  /** The groups whose messages were dropped. */
  #dropQueue(): Set<string> {
    const groups = new Set<string>();
    for (const item of this.#queue) {
      if (item.message === undefined) continue;
      groups.add(item.group);
      this.#shared.counters.droppedMessages++;
    }
    this.#queue = [];
    this.#queuedBytes = 0;
    return groups;
  }

  /** All that is sent in one turn of the event loop leaves in one write. */
  #scheduleFlush(): void {
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    this.#shared.env.setTimer(0, () => {
      this.#flushScheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    const channel = this.#channel;
    const highWater = this.#shared.limits.socketHighWaterBytes;
    let next = 0;
    while (
      channel !== undefined &&
      this.#state === 'open' &&
      next < this.#queue.length &&
      channel.waitingBytes < highWater
    ) {
      next = this.#writeBatch(channel, next, highWater);
    }
    if (next === 0) return;
    this.#queue = next >= this.#queue.length ? [] : this.#queue.slice(next);
    if (
      this.#queue.length * 2 <= this.#shared.limits.maxQueuedMessages &&
      this.#queuedBytes * 2 <= this.#shared.limits.maxQueuedBytes
    ) {
      this.#told.clear();
    }
  }

  /** Encodes from `first` on, about `budget` bytes but at least one, straight into one buffer; returns the next to send. */
  #writeBatch(channel: Channel, first: number, budget: number): number {
    let bytes = 0;
    let end = first;
    for (let item = this.#queue[end]; item !== undefined; item = this.#queue[end]) {
      if (end > first && bytes + item.bytes > budget) break;
      bytes += item.bytes;
      end++;
    }
    const buffer = Buffer.allocUnsafe(bytes);
    let at = 0;
    for (let i = first; i < end; i++) {
      const item = this.#queue[i];
      if (item === undefined) break;
      at = encodeQueued(item, buffer, at);
      if (item.message !== undefined) this.#shared.counters.sentMessages++;
    }
    this.#queuedBytes -= bytes;
    this.#shared.counters.socketWrites++;
    channel.write(buffer);
    return end;
  }
}

function encodeQueued(item: Queued, buffer: Buffer, start: number): number {
  const kind = item.message === undefined ? FrameKind.Control : FrameKind.Message;
  const at = writeFrameHead(buffer, start, kind, item.group, item.bodyBytes);
  if (item.message === undefined) buffer.set(item.frame, at);
  else encodeMessage(item.message, buffer, at);
  return writeFrameTail(buffer, start, at + item.bodyBytes);
}
