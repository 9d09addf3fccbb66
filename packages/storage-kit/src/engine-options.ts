/** What every adapter is told alike, and what it refuses in it. TypeScript asks for it; plain JavaScript does not. */
import { BalsaError, type Durability, type Env } from '@balsa/raft-core';

export interface CommonOptions {
  readonly env: Env;
  readonly durability?: Durability;
}

/**
 * Throws `INVALID_ARGUMENT` without options, without an `Env`, and for a durability that is neither: taken as it is,
 * it would count as one here and as the other there. With `where`, for a path under that name that is none, too.
 */
export function checkCommonOptions(options: CommonOptions, where?: string): void {
  const given = options as unknown;
  if (typeof given !== 'object' || given === null) refuse('options', 'be an object', given);
  const { env, durability } = given as Record<string, unknown>;
  const methods = ['now', 'setTimer', 'random'];
  if (typeof env !== 'object' || env === null || !methods.every((name) => name in env) || !('log' in env))
    refuse('env', 'be an Env, such as createNodeEnv() of @balsa/raft-node makes', env);
  if (durability !== undefined && durability !== 'strict' && durability !== 'relaxed')
    refuse('durability', 'be strict or relaxed', durability);
  if (where === undefined) return;
  const path = (given as Record<string, unknown>)[where];
  if (typeof path !== 'string' || path === '') refuse(where, 'be the path of a directory', path);
}

function refuse(field: string, must: string, value: unknown): never {
  const told = typeof value === 'string' ? JSON.stringify(value) : String(value);
  throw new BalsaError('INVALID_ARGUMENT', `${field} must ${must}, but is ${told}`, { details: { field } });
}
