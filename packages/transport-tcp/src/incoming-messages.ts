/** Turns frames from a peer back into messages, and hands them on in gathered calls. */
import { decodeMessage, LogLevel, type Message, type NodeId } from '@balsa/raft-core';
import { FrameKind, malformed, type Frame } from './frame.ts';
import { notify, type Shared } from './shared.ts';

export class IncomingMessages {
  readonly #shared: Shared;
  readonly #peer: NodeId;
  #group = '';
  #gathered: Message[] = [];

  constructor(shared: Shared, peer: NodeId) {
    this.#shared = shared;
    this.#peer = peer;
  }

  /** Throws `WIRE_MALFORMED`. */
  onFrame(frame: Frame): void {
    if (frame.kind === FrameKind.Message) {
      this.#gather(frame);
    } else if (frame.kind === FrameKind.Control) {
      this.handOn();
      notify(this.#shared, (handler) => {
        handler.onControl(frame.group, this.#peer, frame.body);
      });
    } else {
      throw malformed(`a frame of kind ${String(frame.kind)} has no place on a message connection`);
    }
  }

  /** Delivers what was gathered. */
  handOn(): void {
    if (this.#gathered.length === 0) return;
    const messages = this.#gathered;
    this.#gathered = [];
    this.#shared.counters.receivedMessages += messages.length;
    notify(this.#shared, (handler) => {
      handler.onMessages(this.#group, messages);
    });
  }

  #gather(frame: Frame): void {
    const message = decodeMessage(frame.body);
    const us = this.#shared.identity.nodeId;
    if (message.to !== us) {
      // Well formed, but meant for somebody else: a bug of the sender, not a reason to lose the connection.
      this.#shared.counters.reject({ code: 'STEP_INVALID_MESSAGE' });
      this.#shared.env.log.log(
        LogLevel.Warn,
        `node ${String(this.#peer)} sent node ${String(us)} a message for node ${String(message.to)}`,
      );
      return;
    }
    if (frame.group !== this.#group) {
      this.handOn();
      this.#group = frame.group;
    }
    this.#gathered.push(message);
  }
}
