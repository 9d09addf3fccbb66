/** The engine's own records: its head (owner, identity of the store), and the names of groups and ordered stores. */
import { BalsaError, type StoreIdentity } from '@balsa/raft-core';
import { Turns } from '@balsa/storage-kit';
import type { Connection } from './connection.ts';
import { corrupt } from './errors.ts';
import { digits, splitHead, textChecksum, type ExpectedHead } from './head.ts';
import { partField, partPattern, type EngineKeys, type Part } from './keys.ts';
import type { LogWriter } from './log-writer.ts';
import { headDigits, registerScript, writeScript } from './scripts.ts';

const formatVersion = 1;
/** Names asked for at once. */
const namesAtOnce = '500';

/** What the engine's head says. */
export interface EngineRecord {
  readonly format: number;
  /** Sixteen hexadecimal digits, the same as in the watermark. */
  readonly storeId: string;
  /** Of the server's process when the owner took over. */
  readonly runId: string;
  /** How many names the registry has. */
  readonly names: number;
  readonly identity?: StoreIdentity;
}

export interface EngineHead {
  readonly epoch: number;
  readonly sequence: number;
  readonly record: EngineRecord;
}

export function encodeEngineHead({ epoch, sequence, record }: EngineHead): string {
  const rest = `${digits(sequence)} ${JSON.stringify(record)}`;
  return `${digits(epoch)}${textChecksum('engine', rest)} ${rest}`;
}

/** `STORE_CORRUPT` or `STORE_FORMAT_VERSION` unless it is a head that this version has written. */
export function parseEngineHead(text: string, prefix: string): EngineHead {
  const split = splitHead(text);
  const checksum = split?.rest.slice(0, 8);
  const rest = split?.rest.slice(9) ?? '';
  if (split === undefined || textChecksum('engine', rest) !== checksum) {
    throw corrupt(`the head of the store under the prefix ${prefix} does not match its checksum`, { prefix });
  }
  const record = JSON.parse(rest.slice(headDigits + 1)) as EngineRecord;
  if (record.format !== formatVersion) {
    throw new BalsaError(
      'STORE_FORMAT_VERSION',
      `the store under the prefix ${prefix} has format ${String(record.format)}, this version reads ${String(formatVersion)}`,
      { details: { prefix, format: record.format } },
    );
  }
  return { epoch: split.epoch, sequence: Number(rest.slice(0, headDigits)), record };
}

export function newEngineRecord(storeId: string, runId: string): EngineRecord {
  return { format: formatVersion, storeId, runId, names: 0 };
}

export interface RegisteredPart {
  readonly part: Part;
  readonly name: string;
  /** Being removed: it does not count any more. */
  readonly gone: boolean;
}

type Names = Map<string, RegisteredPart>;

function encodeName(field: string, { part, name, gone }: RegisteredPart): string {
  const body = JSON.stringify({ part, name, gone });
  return `${textChecksum(field, body)}${body}`;
}

function parseName(field: string, text: string): RegisteredPart {
  const body = text.slice(8);
  if (partPattern.test(field) && textChecksum(field, body) === text.slice(0, 8)) {
    const found = JSON.parse(body) as RegisteredPart;
    if (partField(found.part, found.name) === field) return found;
  }
  throw corrupt(`the name under ${JSON.stringify(field)} in the registry does not match its checksum`, {
    field,
  });
}

/** All names. `STORE_CORRUPT` when there are more or fewer than the head says, or one is damaged. */
export async function readNames(connection: Connection, keys: EngineKeys, count: number): Promise<Names> {
  const names: Names = new Map();
  let cursor = '0';
  do {
    const reply = await connection.call('hscan', [keys.registry, cursor, 'COUNT', namesAtOnce]);
    const [next, pairs] = reply as readonly [Buffer, readonly Buffer[]];
    for (let i = 0; i + 1 < pairs.length; i += 2) {
      const field = String(pairs[i]);
      names.set(field, parseName(field, String(pairs[i + 1])));
    }
    cursor = next.toString();
  } while (cursor !== '0');
  if (names.size === count) return names;
  throw corrupt(`the registry has ${String(names.size)} names, its head says ${String(count)}`);
}

export interface RegistryOptions {
  readonly keys: EngineKeys;
  readonly head: EngineHead;
  readonly names: Names;
  readonly writer: LogWriter;
}

export class Registry {
  readonly #options: RegistryOptions;
  #head: EngineHead;
  #headText: string;
  /** Changes take effect one at a time. */
  readonly #turns = new Turns();

  constructor(options: RegistryOptions) {
    this.#options = options;
    this.#head = options.head;
    this.#headText = encodeEngineHead(options.head);
  }

  get storeId(): string {
    return this.#head.record.storeId;
  }

  get identity(): StoreIdentity | undefined {
    return this.#head.record.identity;
  }

  /** What the server has to hold. */
  get expectedHead(): ExpectedHead {
    return { key: this.#options.keys.head, text: this.#headText };
  }

  names(part: Part): string[] {
    const found: string[] = [];
    for (const known of this.#options.names.values()) {
      if (known.part === part && !known.gone) found.push(known.name);
    }
    return found;
  }

  get(field: string): RegisteredPart | undefined {
    return this.#options.names.get(field);
  }

  /** Sets what only `prepare` may decide, in its turn: it throws the refusal. */
  stamp(prepare: () => StoreIdentity): Promise<void> {
    return this.#turns.take(async () => {
      const record = { ...this.#head.record, identity: prepare() };
      const { writer, keys } = this.#options;
      await writer.ready();
      const next = { ...this.#head, sequence: writer.nextSequence(), record };
      const text = encodeEngineHead(next);
      await writer.commit({
        what: 'stamping the identity',
        script: writeScript,
        keys: [keys.head, keys.head],
        args: [this.#headText, text, '0', ''],
        sequence: next.sequence,
        syncWatermark: true,
      });
      this.#head = next;
      this.#headText = text;
    });
  }

  /** Enters a name, durably, unless it is there. */
  async ensure(part: Part, name: string): Promise<void> {
    const field = partField(part, name);
    const present = this.get(field);
    if (present !== undefined && !present.gone) return;
    await this.#put(field, { part, name, gone: false });
  }

  /** The name does not count any more, though its keys may still be there. */
  async markGone(field: string): Promise<void> {
    const known = this.get(field);
    if (known !== undefined && !known.gone) await this.#put(field, { ...known, gone: true });
  }

  async remove(field: string): Promise<void> {
    await this.#put(field, undefined);
  }

  #put(field: string, value: RegisteredPart | undefined): Promise<void> {
    return this.#turns.take(async () => {
      const { writer, keys, names } = this.#options;
      writer.check();
      await writer.ready();
      const had = names.has(field);
      const count = names.size + (value === undefined ? 0 : 1) - (had ? 1 : 0);
      const record = { ...this.#head.record, names: count };
      const next = { ...this.#head, sequence: writer.nextSequence(), record };
      const text = encodeEngineHead(next);
      await writer.commit({
        what: 'changing the registry',
        script: registerScript,
        keys: [keys.head, keys.registry],
        args: [this.#headText, text, field, value === undefined ? '' : encodeName(field, value)],
        sequence: next.sequence,
        syncWatermark: true,
      });
      this.#head = next;
      this.#headText = text;
      if (value === undefined) names.delete(field);
      else names.set(field, value);
    });
  }
}
