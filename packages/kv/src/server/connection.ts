import type { Socket } from 'node:net';
import { LogLevel, type Timer } from '@balsa/raft-core';
import { isError } from '../commands/errors.ts';
import type { CommandSpec } from '../commands/spec.ts';
import { lookUp } from '../commands/table.ts';
import { ReplyWriter } from '../resp/reply-writer.ts';
import { error, type Proto, type Reply } from '../resp/reply.ts';
import { RequestParser, type Request } from '../resp/request-parser.ts';
import type { KvService } from './service.ts';
import type { Session } from './session.ts';

/** How long a client may take to close its side after the server closed its own, in milliseconds. */
const lingerMs = 1000;

/** The place of one reply in the order of the pipeline. */
interface Slot {
  readonly bytes: number;
  proto: Proto;
  reply: Reply | undefined;
}

/**
 * One client. Commands take effect as if one after another, and replies leave in their order, but
 * neighbours of a kind are under way together: consecutive writes enter the log without waiting for each
 * other (and share its syncs), consecutive reads share a read point. A read waits for the writes before
 * it, and a write for the reads before it.
 *
 * Nothing more is read from the socket while this client's bounds are reached; TCP tells it to wait.
 */
export class Connection {
  readonly session: Session;
  readonly #socket: Socket;
  readonly #service: KvService;
  readonly #parser: RequestParser;
  readonly #writer = new ReplyWriter();
  /** Replies still to be written, oldest first. */
  readonly #slots: Slot[] = [];
  #bytesInFlight = 0;
  /** What is under way: only one kind at a time. */
  #running: 'none' | 'read' | 'write' = 'none';
  #runningCount = 0;
  /** A request that could not start yet. */
  #held: Request | undefined;
  /** The parser has no whole request left. */
  #exhausted = true;
  /** The client has said all it will say. */
  #ended = false;
  /** The server stops. */
  #draining = false;
  #closed = false;
  #linger: Timer | undefined;
  #pumpScheduled = false;
  #paused = false;
  readonly #onClosed: () => void;
  readonly #pumpAgain = (): void => {
    this.#pump();
  };
  readonly #pumpNow = (): void => {
    this.#pumpScheduled = false;
    this.#pump();
  };

  constructor(id: number, socket: Socket, service: KvService, onClosed: () => void) {
    this.#socket = socket;
    this.#service = service;
    this.#onClosed = onClosed;
    this.#parser = new RequestParser(service.limits);
    const address = `${socket.remoteAddress ?? ''}:${String(socket.remotePort ?? 0)}`;
    this.session = { id, address, proto: 2, name: '', libName: '', libVersion: '', quit: false };
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => {
      service.counters.bytesIn += chunk.length;
      if (this.session.quit || this.#draining) return;
      this.#parser.feed(chunk);
      this.#pump();
    });
    socket.on('drain', this.#pumpAgain);
    // The client has sent all it will; what is under way is still answered.
    socket.on('end', () => {
      this.#ended = true;
      this.#pump();
    });
    socket.on('error', (problem) => {
      service.env.log.log(LogLevel.Debug, `kv: connection of ${address} failed: ${problem.message}`);
    });
    socket.on('close', () => {
      this.#close();
    });
  }

  get idle(): boolean {
    return this.#slots.length === 0;
  }

  /** Takes no further command; ends once the ones under way are answered. */
  drain(): void {
    this.#draining = true;
    this.#held = undefined;
    this.#pump();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#linger?.cancel();
    this.#service.forgetWriter(this.#pumpAgain);
    this.#onClosed();
  }

  /** Starts what may start, writes what is answered, and pauses or resumes the socket accordingly. */
  #pump(): void {
    if (this.#closed) return;
    do {
      this.#startAll();
      this.#flush();
      // What was flushed may have made room for what the parser still holds.
    } while (!this.#exhausted && this.#held === undefined && this.#mayStart());
    if (this.#finished) this.#end();
    else this.#regulate();
  }

  #startAll(): void {
    while (this.#mayStart()) {
      const request = this.#held ?? this.#parser.next();
      this.#held = undefined;
      this.#exhausted = request === undefined;
      if (request === undefined) return;
      if (!this.#start(request)) {
        this.#held = request;
        return;
      }
    }
  }

  get #finished(): boolean {
    if (this.#slots.length > 0) return false;
    return (
      this.session.quit || this.#draining || (this.#ended && this.#exhausted && this.#held === undefined)
    );
  }

  #mayStart(): boolean {
    const { limits } = this.#service;
    return (
      !this.session.quit &&
      !this.#draining &&
      this.#slots.length < limits.maxInFlight &&
      this.#bytesInFlight < limits.maxInFlightBytes &&
      this.#writer.length < limits.maxOutputBytes &&
      !(this.#socket.writableNeedDrain && this.#socket.writableLength >= limits.maxOutputBytes)
    );
  }

  /** False when the request has to wait. */
  #start(request: Request): boolean {
    if (request.kind !== 'command') {
      const isFatal = request.kind === 'protocol-error';
      if (isFatal) this.#service.counters.protocolErrors += 1;
      this.#answer(error(isFatal ? `ERR Protocol error: ${request.reason}` : `ERR ${request.reason}`));
      if (isFatal) this.session.quit = true;
      return true;
    }
    const { args, bytes } = request;
    if (this.#isHttp(args)) return true;
    const spec = lookUp(args);
    if (isError(spec)) {
      this.#answer(spec);
      return true;
    }
    return this.#dispatch(spec, args.slice(1), bytes);
  }

  #dispatch(spec: CommandSpec, args: readonly Buffer[], bytes: number): boolean {
    const service = this.#service;
    switch (spec.kind) {
      case 'local':
        this.#answer(spec.run(args, this.session, service));
        return true;
      case 'read': {
        if (this.#running === 'write' || this.#runningCount >= service.limits.maxReadsInFlight) return false;
        const plan = spec.plan(args, service, this.session);
        if (isError(plan)) this.#answer(plan);
        else {
          const answered = this.#begin('read', bytes);
          if (plan.kind === 'key') void service.readKey(plan.key, plan.reply).then(answered);
          else void service.readWith(plan.run, plan.linearizable).then(answered);
        }
        return true;
      }
      case 'write': {
        if (this.#running === 'read' || !service.admitsWrite(this.#pumpAgain)) return false;
        const command = spec.parse(args);
        if (isError(command)) this.#answer(command);
        else service.write(command, this.#begin('write', bytes));
        return true;
      }
    }
  }

  /** A browser that was tricked into talking to this port sends these lines; as Redis does, hang up on it. */
  #isHttp(args: readonly Buffer[]): boolean {
    const name = args[0];
    // Almost every command is told by its length alone.
    if (name === undefined || (name.length !== 4 && name.length !== 5)) return false;
    const word = name.toString('latin1').toLowerCase();
    if (word !== 'post' && word !== 'host:') return false;
    this.#service.env.log.log(
      LogLevel.Warn,
      `kv: ${this.session.address} sends HTTP to the RESP port; closed`,
    );
    this.session.quit = true;
    this.#socket.destroy();
    return true;
  }

  #answer(reply: Reply): void {
    this.#service.counters.commands += 1;
    if (reply.kind === 'error') this.#service.counters.errors += 1;
    // Nothing before it is unanswered: no need to stand in line.
    if (this.#slots.length === 0) this.#writer.write(reply, this.session.proto);
    else this.#slots.push({ bytes: 0, proto: this.session.proto, reply });
  }

  /** Takes a place in the line; the reply is to be given to what this returns. */
  #begin(kind: 'read' | 'write', bytes: number): (reply: Reply) => void {
    this.#service.counters.commands += 1;
    const slot: Slot = { bytes, proto: this.session.proto, reply: undefined };
    this.#slots.push(slot);
    this.#bytesInFlight += bytes;
    this.#running = kind;
    this.#runningCount += 1;
    return (reply) => {
      slot.reply = reply;
      if (reply.kind === 'error') this.#service.counters.errors += 1;
      this.#runningCount -= 1;
      if (this.#runningCount === 0) this.#running = 'none';
      this.#settled();
    };
  }

  /** Results of one batch come together; one pump answers for all of them. */
  #settled(): void {
    if (this.#pumpScheduled) return;
    this.#pumpScheduled = true;
    this.#service.pumpSoon(this.#pumpNow);
  }

  #flush(): void {
    let done = 0;
    for (const slot of this.#slots) {
      if (slot.reply === undefined) break;
      this.#writer.write(slot.reply, slot.proto);
      this.#bytesInFlight -= slot.bytes;
      done += 1;
    }
    if (done === this.#slots.length) this.#slots.length = 0;
    else if (done > 0) this.#slots.splice(0, done);
    if (this.#writer.length > 0) {
      const bytes = this.#writer.take();
      this.#service.counters.bytesOut += bytes.length;
      this.#socket.write(bytes);
    }
  }

  /**
   * Says goodbye and lets the client close: closing at once, with bytes unread, would make the kernel
   * throw away the last reply. One that does not close is cut off.
   */
  #end(): void {
    if (this.#linger !== undefined) return;
    this.#socket.end();
    this.#socket.resume();
    this.#linger = this.#service.env.setTimer(lingerMs, () => {
      this.#socket.destroy();
    });
  }

  #regulate(): void {
    const shouldPause = this.#held !== undefined || !this.#mayStart();
    if (shouldPause === this.#paused) return;
    this.#paused = shouldPause;
    if (shouldPause) this.#socket.pause();
    else this.#socket.resume();
  }
}
