import { errorRegistry, isBalsaError, LogLevel, type ErrorCode, type Logger } from '@balsa/raft-core';
import { error, type ErrorReply } from '../resp/reply.ts';

/**
 * An error as a Redis client sees it: the word of the registry, what happened, and the code in brackets
 * at the end, by which our own client knows it again.
 */
export function writeErrorReply(problem: unknown, log: Logger): ErrorReply {
  if (!isBalsaError(problem)) return internalError(problem, log);
  if (problem.outcome === 'unknown') {
    return error(`UNKNOWN the outcome of this write is not known: ${problem.message} [${problem.code}]`);
  }
  return error(`${errorRegistry[problem.code].resp} ${problem.message} [${problem.code}]`);
}

/** A failed read has changed nothing, whatever the code says about outcomes: the client may try again. */
export function readErrorReply(problem: unknown, log: Logger): ErrorReply {
  if (!isBalsaError(problem)) return internalError(problem, log);
  const { resp } = errorRegistry[problem.code];
  return error(`${resp === 'UNKNOWN' ? 'TRYAGAIN' : resp} ${problem.message} [${problem.code}]`);
}

function internalError(problem: unknown, log: Logger): ErrorReply {
  log.log(LogLevel.Error, `kv: a command failed unexpectedly: ${String(problem)}`, { error: problem });
  return error('ERR internal error, see the log of the server');
}

/** The code that an error reply of ours carries, if any. */
export function codeOfReply(text: string): ErrorCode | undefined {
  const code = /\[([A-Z_]+)\]$/.exec(text)?.[1];
  return code !== undefined && isCode(code) ? code : undefined;
}

function isCode(code: string): code is ErrorCode {
  return Object.hasOwn(errorRegistry, code);
}
