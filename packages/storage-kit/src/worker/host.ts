/** The worker's side: owns the engine, does what it is asked, in the order in which it is asked. */
import type { MessagePort } from 'node:worker_threads';
import { BalsaError, type Engine, type Env, type LogLevel, type Logger } from '@balsa/raft-core';
import { encodeError, encodeFields } from './error-codec.ts';
import { hostEngine, type Answer, type Hosted, type Part } from './hosted.ts';
import { Outbox } from './outbox.ts';
import {
  engineHandle,
  openingId,
  type Call,
  type Handle,
  type HostData,
  type Reply,
  type ToCaller,
  type ToHost,
} from './protocol.ts';
import { realEnv } from '../real-env.ts';

type Open = (options: Record<string, unknown> & { readonly env: Env }) => Promise<Engine>;

/** Opens the engine and serves it until the thread is ended. */
export async function serveEngine(port: MessagePort, data: HostData): Promise<void> {
  const host = new Host(port);
  try {
    const found = (await import(data.module)) as Record<string, unknown>;
    const open = found[data.open];
    if (typeof open !== 'function') {
      throw new BalsaError('INVALID_ARGUMENT', `${data.module} exports no function ${data.open}`);
    }
    const env = realEnv(forwardingLog(data.levels, host));
    const engine = await (open as Open)({ ...data.options, env });
    host.serve(engine);
    host.reply({ id: openingId, value: { capabilities: engine.capabilities } });
  } catch (error) {
    host.reply({ id: openingId, error: encodeError(error) });
  }
}

function forwardingLog(levels: readonly LogLevel[], host: Host): Logger {
  return {
    enabled: (level) => levels.includes(level),
    log: (level, text, fields) => {
      if (levels.includes(level)) host.log(level, text, fields);
    },
  };
}

class Host {
  readonly #port: MessagePort;
  readonly #outbox: Outbox<ToCaller>;
  readonly #objects = new Map<Handle, Hosted>();
  /** Lists of which a part is still to be asked for, by the call that they answer. */
  readonly #lists = new Map<number, Iterator<Part, undefined>>();

  constructor(port: MessagePort) {
    this.#port = port;
    this.#outbox = new Outbox<ToCaller>(
      (items, transfer) => {
        port.postMessage(items, transfer);
      },
      (item, error) => {
        if ('id' in item) port.postMessage([{ id: item.id, error: encodeError(error) }]);
      },
    );
  }

  serve(engine: Engine): void {
    const register = (as: Handle, hosted: Hosted): void => {
      this.#objects.set(as, hosted);
    };
    register(engineHandle, hostEngine(engine, register));
    this.#port.on('message', (items: readonly ToHost[]) => {
      for (const item of items) {
        if ('drop' in item) this.#objects.delete(item.drop);
        else if (item.method === 'more') this.#part(item.id, item.args[0] as number);
        else void this.#call(item);
      }
    });
  }

  reply(reply: Reply, transfer?: readonly ArrayBuffer[]): void {
    this.#outbox.push(reply, transfer);
  }

  log(level: LogLevel, text: string, fields?: Readonly<Record<string, unknown>>): void {
    this.#outbox.push({ level, text, ...(fields !== undefined && { fields: encodeFields(fields) }) });
  }

  async #call({ id, target, method, args, as = -1 }: Call): Promise<void> {
    try {
      const run = this.#objects.get(target)?.[method];
      if (run === undefined) {
        throw new BalsaError('INVARIANT_BROKEN', `the worker knows no ${method} of object ${String(target)}`);
      }
      this.#answer(id, await run(args, as));
    } catch (error) {
      this.reply({ id, error: encodeError(error) });
    }
  }

  #answer(id: number, { value, transfer, parts }: Answer): void {
    if (parts === undefined) {
      this.reply({ id, value }, transfer);
      return;
    }
    this.#lists.set(id, parts);
    this.#part(id, id);
  }

  /** Answers call `id` with the next part of the list that call `list` began. */
  #part(id: number, list: number): void {
    const part = this.#lists.get(list)?.next().value;
    if (part === undefined) {
      const error = new BalsaError('INVARIANT_BROKEN', `the worker keeps no list of call ${String(list)}`);
      this.reply({ id, error: encodeError(error) });
      return;
    }
    if (!part.more) this.#lists.delete(list);
    this.reply({ id, value: part.packed, more: part.more }, [part.packed.buffer]);
  }
}
