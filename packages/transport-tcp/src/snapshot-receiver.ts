/** The receiving end of one snapshot connection. */
import { crc32 } from 'node:zlib';
import {
  BalsaError,
  LogLevel,
  maxChunkBytes,
  toBalsaError,
  type NodeId,
  type SnapshotSink,
  type Timer,
} from '@balsa/raft-core';
import type { Channel } from './channel.ts';
import { encodeFrame, FrameKind, malformed, type Frame } from './frame.ts';
import { describe, type Shared } from './shared.ts';
import {
  decodeFailure,
  decodeOffer,
  encodeFailure,
  encodeNumbers,
  readNumber,
  type SnapshotAnnouncement,
} from './snapshot-wire.ts';

export interface SnapshotReceiverOptions {
  readonly shared: Shared;
  readonly channel: Channel;
  readonly peer: NodeId;
  /** Asked once a snapshot of `group` is offered; rejects with the reason not to take it now. */
  readonly admit: (group: string) => Promise<void>;
}

/**
 * Calls to the sink come one at a time: each waits for the one before. At most `snapshotWindow` chunks
 * wait for it; a sender that sends more breaks the protocol and is cut off, so memory stays bounded.
 */
export class SnapshotReceiver {
  /** Resolves when it is over and the sink knows. */
  readonly settled: Promise<void>;
  readonly #shared: Shared;
  readonly #channel: Channel;
  readonly #peer: NodeId;
  readonly #admit: (group: string) => Promise<void>;
  #settle: () => void = () => undefined;
  #group = '';
  #announced: SnapshotAnnouncement | undefined;
  #sink: SnapshotSink | undefined;
  #work: Promise<void> = Promise.resolve();
  #expected = 0;
  #waiting = 0;
  /** Whether every chunk passed through here, so that the whole can be checked. */
  #fromStart = false;
  #bytes = 0;
  #crc = 0;
  #finishing = false;
  #cause: BalsaError | undefined;
  #ended = false;
  #stall: Timer | undefined;

  constructor(options: SnapshotReceiverOptions) {
    this.#shared = options.shared;
    this.#channel = options.channel;
    this.#peer = options.peer;
    this.#admit = options.admit;
    this.settled = new Promise((resolve) => {
      this.#settle = resolve;
    });
    this.#progress();
  }

  /** Whether a snapshot was offered and is not over. */
  get active(): boolean {
    return this.#announced !== undefined && !this.#ended;
  }

  /** Of the snapshot offered; empty before. */
  get group(): string {
    return this.#group;
  }

  /** Throws `WIRE_MALFORMED`, upon which the channel closes and `onClose` cleans up. */
  onFrame(frame: Frame): void {
    this.#progress();
    if (frame.kind === FrameKind.SnapshotOffer) this.#offer(frame);
    else if (frame.kind === FrameKind.SnapshotChunk) this.#chunk(frame.body);
    else if (frame.kind === FrameKind.SnapshotFinish) this.#finish();
    else if (frame.kind === FrameKind.SnapshotFail) this.#channel.close(decodeFailure(frame.body));
    else
      throw malformed(
        `a frame of kind ${String(frame.kind)} has no place at the receiving end of a snapshot`,
      );
  }

  onClose(error: BalsaError): void {
    this.#end(error);
  }

  /** Gives up, and tells the sender why. */
  fail(error: BalsaError): void {
    if (this.#ended) return;
    this.#channel.closeWith(encodeFrame(FrameKind.SnapshotFail, this.#group, encodeFailure(error)), error);
    // For a channel that was closed already.
    this.#end(error);
  }

  #offer(frame: Frame): void {
    if (this.#announced !== undefined) throw malformed('a second snapshot is offered on one connection');
    const { message, source } = decodeOffer(frame.body);
    if (message.to !== this.#shared.identity.nodeId)
      throw malformed(`the snapshot offered is for node ${String(message.to)}`);
    this.#announced = source;
    this.#group = frame.group;
    this.#then(async () => {
      await this.#admit(frame.group);
      if (this.#isOver()) return;
      const sink = await this.#shared.handler.onSnapshot(frame.group, this.#peer, message, source);
      this.#sink = sink;
      if (this.#cause !== undefined) return;
      const first = sink.nextChunk;
      if (!Number.isSafeInteger(first) || first < 0 || first > source.chunkCount) {
        throw new BalsaError(
          'OUT_OF_RANGE',
          `the sink wants to resume at chunk ${String(first)} of ${String(source.chunkCount)}`,
        );
      }
      this.#expected = first;
      this.#fromStart = first === 0;
      this.#reply(FrameKind.SnapshotAccept, encodeNumbers(first, this.#shared.limits.snapshotWindow));
    });
  }

  #chunk(body: Buffer): void {
    const number = readNumber(body, 0);
    const chunk = body.subarray(4);
    const total = this.#announced?.chunkCount ?? 0;
    if (this.#sink === undefined || this.#finishing) throw malformed('a snapshot chunk comes out of turn');
    if (number !== this.#expected || number >= total) {
      throw malformed(
        `snapshot chunk ${String(number)} of ${String(total)} comes where ${String(this.#expected)} is due`,
      );
    }
    if (chunk.length > maxChunkBytes)
      throw malformed(
        `a snapshot chunk of ${String(chunk.length)} bytes is larger than ${String(maxChunkBytes)}`,
      );
    if (this.#waiting >= this.#shared.limits.snapshotWindow)
      throw malformed('more snapshot chunks are under way than were allowed');
    const sink = this.#sink;
    this.#expected++;
    this.#waiting++;
    this.#then(async () => {
      await sink.write(chunk);
      this.#waiting--;
      this.#bytes += chunk.length;
      if (this.#fromStart) this.#crc = crc32(chunk, this.#crc);
      this.#progress();
      this.#reply(FrameKind.SnapshotAck, encodeNumbers(number + 1));
    });
  }

  #finish(): void {
    const sink = this.#sink;
    if (sink === undefined || this.#finishing || this.#expected !== this.#announced?.chunkCount) {
      throw malformed('a snapshot is said to be finished before all of it came');
    }
    this.#finishing = true;
    this.#then(async () => {
      this.#verify();
      this.#stall?.cancel();
      await sink.finish();
      // Stored is stored: a connection lost meanwhile must not make the sink take it back.
      this.#sink = undefined;
      if (this.#cause !== undefined) return;
      this.#ended = true;
      const error = new BalsaError('STOPPED', 'the snapshot was received whole');
      this.#channel.closeWith(encodeFrame(FrameKind.SnapshotDone, this.#group, Buffer.alloc(0)), error);
      this.#settle();
    });
  }

  /** When all chunks came in this transfer; after a resumption only the sink has seen them all. */
  #verify(): void {
    const announced = this.#announced;
    if (announced === undefined || !this.#fromStart) return;
    if (this.#bytes !== announced.bytes || this.#crc !== announced.checksum) {
      throw new BalsaError(
        'STORE_SNAPSHOT_INVALID',
        `the chunks received (${String(this.#bytes)} bytes, checksum ${String(this.#crc)}) are not what was announced (${String(announced.bytes)} bytes, checksum ${String(announced.checksum)})`,
      );
    }
  }

  /** Queues work behind what is under way; nothing new begins once it is over. */
  #then(work: () => Promise<void>): void {
    this.#work = this.#work.then(async () => {
      if (this.#cause !== undefined || this.#ended) return;
      try {
        await work();
      } catch (error) {
        this.fail(toBalsaError(error, 'SNAPSHOT_TRANSFER_FAILED', `the receiver failed: ${describe(error)}`));
      }
    });
  }

  #end(error: BalsaError): void {
    this.#stall?.cancel();
    if (this.#ended) return;
    this.#ended = true;
    this.#cause = error;
    // Behind the call that is under way, so that the sink never sees two at once.
    this.#work = this.#work
      .then(() => this.#sink?.abort(error))
      .catch((cause: unknown) => {
        this.#shared.env.log.log(LogLevel.Error, 'a snapshot sink failed to abort', { error: cause });
      })
      .then(() => {
        this.#settle();
      });
  }

  /** A method, because control flow analysis takes the field for unchanged across an await. */
  #isOver(): boolean {
    return this.#ended;
  }

  #reply(kind: FrameKind, body: Buffer): void {
    this.#channel.write(encodeFrame(kind, this.#group, body));
  }

  #progress(): void {
    this.#stall?.cancel();
    if (this.#ended || this.#finishing) return;
    const { env, limits } = this.#shared;
    this.#stall = env.setTimer(limits.snapshotStallMs, () => {
      this.fail(
        new BalsaError(
          'TIMEOUT',
          `the snapshot from node ${String(this.#peer)} made no progress for ${String(limits.snapshotStallMs)} ms`,
        ),
      );
    });
  }
}
