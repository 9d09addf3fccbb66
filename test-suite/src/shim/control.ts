/** The control block of the shim: a small file that both sides have mapped or open. Layout: `struct control` of shim.c. */
import { closeSync, openSync, readSync, writeSync } from 'node:fs';

const fields = [
  'spaceLeft',
  'failRead',
  'failWrite',
  'failSync',
  'shortWrite',
  'killAt',
  'killTorn',
  'sticky',
  'mutations',
  'reads',
  'writes',
  'syncs',
  'injected',
] as const;
type Field = (typeof fields)[number];

const matchBytes = 152;

/** Faults, 0 (and -1 for the space) meaning none; see shim.c for what each counts. */
export type ShimSettings = Partial<Record<Field, number>> & {
  /** Faults come only on paths that contain this. At most 151 bytes. */
  readonly match?: string;
};

const nothing: Readonly<Record<Field, number>> = {
  spaceLeft: -1,
  failRead: 0,
  failWrite: 0,
  failSync: 0,
  shortWrite: 0,
  killAt: 0,
  killTorn: 0,
  sticky: 0,
  mutations: 0,
  reads: 0,
  writes: 0,
  syncs: 0,
  injected: 0,
};

const faultFields = fields.slice(0, 8);

export class ShimControl {
  readonly path: string;
  readonly #fd: number;

  /** Creates the file when `create`, with no faults and all counts at zero. */
  constructor(path: string, create = false) {
    this.path = path;
    this.#fd = openSync(path, create ? 'w+' : 'r+');
    if (create) this.reset();
  }

  get(field: Field): number {
    const buffer = Buffer.alloc(8);
    readSync(this.#fd, buffer, 0, 8, fields.indexOf(field) * 8);
    return Number(buffer.readBigInt64LE());
  }

  /** Arms faults from now on; what is not named is disarmed. Those that came are counted from 0, the rest goes on. */
  arm(settings: ShimSettings): void {
    const { match = '', ...numbers } = settings;
    const buffer = Buffer.alloc(matchBytes);
    buffer.write(match, 0, matchBytes - 1);
    writeSync(this.#fd, buffer, 0, matchBytes, fields.length * 8);
    for (const field of faultFields) this.#set(field, numbers[field] ?? nothing[field]);
    this.#set('injected', 0);
  }

  /** No faults, and all counts at zero: for the next process. */
  reset(): void {
    this.#write({ ...nothing });
  }

  /** No faults from now on. How many came until now stays to be read, also of one that came in this moment. */
  disarm(): void {
    for (const field of faultFields) this.#set(field, nothing[field]);
  }

  close(): void {
    closeSync(this.#fd);
  }

  #set(field: Field, value: number): void {
    const buffer = Buffer.alloc(8);
    buffer.writeBigInt64LE(BigInt(value));
    writeSync(this.#fd, buffer, 0, 8, fields.indexOf(field) * 8);
  }

  #write(values: Readonly<Record<Field, number>>): void {
    const buffer = Buffer.alloc(fields.length * 8 + matchBytes);
    fields.forEach((field, i) => buffer.writeBigInt64LE(BigInt(values[field]), i * 8));
    writeSync(this.#fd, buffer, 0, buffer.length, 0);
  }
}
