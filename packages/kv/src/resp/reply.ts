/**
 * What a server says to one command, before it is known whether the client speaks RESP2 or RESP3.
 *
 * The state machine returns these too: a result is data that every node computes alike, and the only
 * thing left for the connection is to write it down.
 */
export interface SimpleReply {
  readonly kind: 'simple';
  readonly text: string;
}
export interface ErrorReply {
  readonly kind: 'error';
  /** First word included: `ERR syntax error`. Has no line breaks once it is encoded. */
  readonly text: string;
}
export interface IntegerReply {
  readonly kind: 'integer';
  /** 64-bit signed. A bigint only where a number would not be exact. */
  readonly value: number | bigint;
}
export interface BulkReply {
  readonly kind: 'bulk';
  readonly bytes: Uint8Array;
}
export interface NullReply {
  readonly kind: 'null';
}
export interface ArrayReply {
  /** `set` and `push` are told apart from `array` by RESP3 only. */
  readonly kind: 'array' | 'set' | 'push';
  readonly items: readonly Reply[];
}
export interface MapReply {
  readonly kind: 'map';
  readonly entries: readonly (readonly [Reply, Reply])[];
}
export interface DoubleReply {
  readonly kind: 'double';
  readonly value: number;
}
export interface BooleanReply {
  readonly kind: 'boolean';
  readonly value: boolean;
}
export interface VerbatimReply {
  readonly kind: 'verbatim';
  readonly text: string;
}
export type Reply =
  | SimpleReply
  | ErrorReply
  | IntegerReply
  | BulkReply
  | NullReply
  | ArrayReply
  | MapReply
  | DoubleReply
  | BooleanReply
  | VerbatimReply;

/** The protocol version that a connection has chosen with HELLO. */
export type Proto = 2 | 3;

export const ok: SimpleReply = Object.freeze({ kind: 'simple', text: 'OK' });
export const nil: NullReply = Object.freeze({ kind: 'null' });

export function simple(text: string): SimpleReply {
  return { kind: 'simple', text };
}
export function error(text: string): ErrorReply {
  return { kind: 'error', text };
}
export function integer(value: number | bigint): IntegerReply {
  return { kind: 'integer', value };
}
export function bulk(bytes: Uint8Array | string): BulkReply {
  return { kind: 'bulk', bytes: typeof bytes === 'string' ? Buffer.from(bytes) : bytes };
}
export function bulkOrNil(bytes: Uint8Array | undefined): BulkReply | NullReply {
  return bytes === undefined ? nil : { kind: 'bulk', bytes };
}
export function array(items: readonly Reply[]): ArrayReply {
  return { kind: 'array', items };
}
export function map(entries: readonly (readonly [string, Reply])[]): MapReply {
  return { kind: 'map', entries: entries.map(([key, value]) => [bulk(key), value] as const) };
}
export function verbatim(text: string): VerbatimReply {
  return { kind: 'verbatim', text };
}
