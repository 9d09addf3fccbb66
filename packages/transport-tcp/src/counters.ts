/** What a transport has done so far. */
import type { BalsaError, NodeId, TransportStats } from '@balsa/raft-core';

export class Counters {
  sentMessages = 0;
  receivedMessages = 0;
  sentBytes = 0;
  receivedBytes = 0;
  droppedMessages = 0;
  /** Calls of `write` on message connections; many messages share one. */
  socketWrites = 0;
  readonly #rejected = new Map<string, number>();

  reject(error: Pick<BalsaError, 'code'>): void {
    this.#rejected.set(error.code, (this.#rejected.get(error.code) ?? 0) + 1);
  }

  snapshot(connectedPeers: readonly NodeId[]): TransportStats {
    return {
      sentMessages: this.sentMessages,
      receivedMessages: this.receivedMessages,
      sentBytes: this.sentBytes,
      receivedBytes: this.receivedBytes,
      droppedMessages: this.droppedMessages,
      rejectedFrames: Object.fromEntries(this.#rejected),
      connectedPeers,
    };
  }
}
