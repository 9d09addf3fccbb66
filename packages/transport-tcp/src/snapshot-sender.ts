/** The sending end of one snapshot connection. */
import {
  BalsaError,
  maxChunkBytes,
  type Message,
  type NodeId,
  type PeerAddress,
  type SnapshotSource,
  type SnapshotTransfer,
  type Timer,
} from '@balsa/raft-core';
import type { Channel } from './channel.ts';
import { dial } from './dial.ts';
import { encodeFrame, frameAround, FrameKind, malformed, type Frame } from './frame.ts';
import { describe, type Shared } from './shared.ts';
import { decodeFailure, encodeFailure, encodeNumbers, encodeOffer, readNumber } from './snapshot-wire.ts';
import type { TokenBucket } from './token-bucket.ts';

export interface SnapshotSenderOptions {
  readonly shared: Shared;
  readonly bucket: TokenBucket;
  readonly peer: NodeId;
  readonly address: PeerAddress;
  readonly group: string;
  readonly message: Message;
  readonly source: SnapshotSource;
  /** Called once, when it is over, however it went. */
  readonly onEnd: () => void;
}

export class SnapshotSender implements SnapshotTransfer {
  readonly done: Promise<void>;
  readonly #options: SnapshotSenderOptions;
  readonly #channel: Channel;
  #resolve: () => void = () => undefined;
  #reject: (error: BalsaError) => void = () => undefined;
  #ended = false;
  #accepted = false;
  #finishSent = false;
  #sent = 0;
  #acknowledged = 0;
  #window = 1;
  #stall: Timer | undefined;
  /** Wakes the pump from a full window. */
  #wake: (() => void) | undefined;
  /** Wakes the pump from anything: it is over. */
  #release: (() => void) | undefined;
  #pause: Timer | undefined;

  constructor(options: SnapshotSenderOptions) {
    this.#options = options;
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // Who does not look at it has chosen not to; that must not end the process.
    this.done.catch(() => undefined);
    const offer = encodeFrame(
      FrameKind.SnapshotOffer,
      options.group,
      encodeOffer(options.message, options.source),
    );
    this.#channel = dial({
      shared: options.shared,
      peer: options.peer,
      address: options.address,
      purpose: 'snapshot',
      onOpen: () => {
        this.#progress();
        this.#channel.write(offer);
      },
      onFrame: (frame) => {
        this.#onFrame(frame);
      },
      onClose: (error) => {
        this.#end(error);
      },
    });
  }

  get sentChunks(): number {
    return this.#acknowledged;
  }

  get peer(): NodeId {
    return this.#options.peer;
  }

  abort(reason: string): void {
    this.fail(new BalsaError('ABORTED', `the sender aborted: ${reason}`));
  }

  /** Gives up, and tells the receiver why. Without effect once it is over. */
  fail(error: BalsaError): void {
    if (this.#ended) return;
    this.#channel.closeWith(
      encodeFrame(FrameKind.SnapshotFail, this.#options.group, encodeFailure(error)),
      error,
    );
    this.#end(error);
  }

  #onFrame(frame: Frame): void {
    if (frame.kind === FrameKind.SnapshotAccept) this.#onAccept(frame.body);
    else if (frame.kind === FrameKind.SnapshotAck) this.#onAck(frame.body);
    else if (frame.kind === FrameKind.SnapshotDone) this.#onDone();
    else if (frame.kind === FrameKind.SnapshotFail) this.#channel.close(decodeFailure(frame.body));
    else
      throw malformed(`a frame of kind ${String(frame.kind)} has no place at the sending end of a snapshot`);
  }

  #onAccept(body: Buffer): void {
    const first = readNumber(body, 0);
    const window = readNumber(body, 1);
    if (this.#accepted || first > this.#options.source.chunkCount || window < 1)
      throw malformed('a snapshot is accepted in an impossible way');
    this.#accepted = true;
    this.#sent = this.#acknowledged = first;
    this.#window = Math.min(window, this.#options.shared.limits.snapshotWindow);
    this.#progress();
    void this.#pump();
  }

  #onAck(body: Buffer): void {
    const count = readNumber(body, 0);
    if (count <= this.#acknowledged || count > this.#sent)
      throw malformed(`chunk ${String(count)} is acknowledged, but ${String(this.#sent)} were sent`);
    this.#acknowledged = count;
    this.#progress();
    this.#wake?.();
  }

  #onDone(): void {
    if (!this.#finishSent) throw malformed('a snapshot is said to be stored before it was sent');
    this.#end(undefined);
    this.#channel.close(new BalsaError('STOPPED', 'the snapshot was sent whole'));
  }

  /** Reads and sends chunk by chunk, within the window and the rate. Never rejects. */
  async #pump(): Promise<void> {
    const { source, group, bucket } = this.#options;
    try {
      while (!this.#ended && this.#sent < source.chunkCount) {
        if (this.#sent - this.#acknowledged >= this.#window) {
          await this.#sleep(undefined);
          continue;
        }
        const chunk = await source.chunk(this.#sent);
        if (this.#isEnded()) return;
        if (chunk.length > maxChunkBytes) {
          throw new BalsaError(
            'INVALID_ARGUMENT',
            `a snapshot chunk has at most ${String(maxChunkBytes)} bytes, not ${String(chunk.length)}`,
          );
        }
        const wait = bucket.take(chunk.length);
        if (wait > 0) await this.#sleep(wait);
        if (this.#isEnded()) return;
        const number = this.#sent++;
        this.#channel.writeParts(frameAround(FrameKind.SnapshotChunk, group, [encodeNumbers(number), chunk]));
        this.#progress();
      }
      if (this.#isEnded()) return;
      this.#finishSent = true;
      this.#progress();
      this.#channel.write(encodeFrame(FrameKind.SnapshotFinish, group, Buffer.alloc(0)));
    } catch (cause) {
      this.fail(
        new BalsaError(
          'SNAPSHOT_TRANSFER_FAILED',
          `chunk ${String(this.#sent)} could not be read: ${describe(cause)}`,
          { cause },
        ),
      );
    }
  }

  /** A method, because control flow analysis takes the field for unchanged across an await. */
  #isEnded(): boolean {
    return this.#ended;
  }

  /** Until the time is over, or without a time until an acknowledgement; in any case until the end. */
  async #sleep(ms: number | undefined): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#release = resolve;
      if (ms === undefined) this.#wake = resolve;
      else this.#pause = this.#options.shared.env.setTimer(ms, resolve);
    });
    this.#wake = undefined;
  }

  #progress(): void {
    const { env, limits } = this.#options.shared;
    this.#stall?.cancel();
    if (this.#ended) return;
    // Only when every chunk is taken is there nothing left to see but the end.
    const finishing = this.#finishSent && this.#acknowledged === this.#options.source.chunkCount;
    const allowed = finishing ? limits.snapshotFinishMs : limits.snapshotStallMs;
    this.#stall = env.setTimer(allowed, () => {
      this.fail(
        new BalsaError(
          'TIMEOUT',
          `node ${String(this.peer)} took nothing more of the snapshot for ${String(allowed)} ms`,
        ),
      );
    });
  }

  #end(error: BalsaError | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#stall?.cancel();
    this.#pause?.cancel();
    this.#release?.();
    if (error === undefined) {
      this.#resolve();
    } else {
      const { peer, group, source } = this.#options;
      const what = `the snapshot at index ${String(source.metadata.index)} of group ${group} did not get to node ${String(peer)}`;
      this.#reject(new BalsaError('SNAPSHOT_TRANSFER_FAILED', `${what}: ${error.message}`, { cause: error }));
    }
    this.#options.onEnd();
  }
}
