import type { ErrorCode } from '@balsa/raft-core';

/** A failure that is already told in full: printed as it is, exit code 1. */
export class CommandFailure extends Error {
  readonly code: ErrorCode | undefined;

  constructor(message: string, options: { readonly code?: ErrorCode; readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'CommandFailure';
    this.code = options.code;
  }
}
