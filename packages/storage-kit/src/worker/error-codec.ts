/**
 * Errors across threads. The structured clone keeps an error's message and drops its code, its details and
 * its class: here they are taken apart before and put together after.
 */
import { BalsaError, isBalsaError, type ErrorCode } from '@balsa/raft-core';

/** Tells an encoded error within details from an object that looks like one. */
const marker = '@balsa/error';
/** Causes of causes are followed so deep. */
const maxDepth = 8;

export interface EncodedError {
  readonly [marker]: true;
  readonly code?: ErrorCode;
  readonly name: string;
  readonly message: string;
  readonly stack?: string;
  readonly cause?: unknown;
  readonly details?: Readonly<Record<string, unknown>>;
  /** Of an AggregateError. */
  readonly errors?: readonly unknown[];
  /** Own fields of a foreign error: SQLite's code, the system's errno. */
  readonly fields?: Readonly<Record<string, unknown>>;
}

export function encodeError(error: unknown): EncodedError {
  return encodeKnown(error instanceof Error ? error : new Error(String(error)), maxDepth);
}

export function decodeError(encoded: EncodedError): Error {
  const cause = decodeValue(encoded.cause);
  let error: Error;
  if (encoded.code !== undefined) {
    const details = decodeFields(encoded.details ?? {});
    error = new BalsaError(encoded.code, encoded.message, { cause, details });
  } else {
    const options = cause === undefined ? undefined : { cause };
    error =
      encoded.errors === undefined
        ? new Error(encoded.message, options)
        : new AggregateError(encoded.errors.map(decodeValue), encoded.message, options);
    error.name = encoded.name;
    Object.assign(error, decodeFields(encoded.fields ?? {}));
  }
  // Where it happened says more than where it was received.
  if (encoded.stack !== undefined) error.stack = encoded.stack;
  return error;
}

/** Fields for machines, made so that they can be cloned. What cannot becomes a text. */
export function encodeFields(
  fields: Readonly<Record<string, unknown>>,
  depth: number = maxDepth,
): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, encodeValue(value, depth)]));
}

export function decodeFields(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, decodeValue(value)]));
}

function encodeKnown(error: Error, depth: number): EncodedError {
  const { name, message, stack, cause } = error;
  const common = {
    [marker]: true as const,
    name,
    message,
    ...(stack !== undefined && { stack }),
    ...(cause !== undefined && { cause: encodeValue(cause, depth - 1) }),
  };
  if (isBalsaError(error)) {
    return { ...common, code: error.code, details: encodeFields(error.details, depth - 1) };
  }
  const {
    cause: _cause,
    errors: _errors,
    stack: _stack,
    message: _message,
    ...fields
  } = error as Error & Record<string, unknown>;
  return {
    ...common,
    fields: encodeFields(fields, depth - 1),
    ...(error instanceof AggregateError && {
      errors: error.errors.map((one: unknown) => encodeValue(one, depth - 1)),
    }),
  };
}

function encodeValue(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null) {
    return typeof value === 'function' || typeof value === 'symbol' ? String(value) : value;
  }
  if (depth <= 0) return value instanceof Error ? value.message : '...';
  if (value instanceof Error) return encodeKnown(value, depth);
  if (Array.isArray(value)) return value.map((one) => encodeValue(one, depth - 1));
  if (ArrayBuffer.isView(value))
    return new Uint8Array(value.buffer, value.byteOffset, value.byteLength).slice();
  return encodeFields(value as Record<string, unknown>, depth - 1);
}

function decodeValue(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value;
  if (marker in value) return decodeError(value as EncodedError);
  if (Array.isArray(value)) return value.map(decodeValue);
  return decodeFields(value as Record<string, unknown>);
}
