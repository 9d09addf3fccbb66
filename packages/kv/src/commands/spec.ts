import type { KvCommand } from '../machine/command.ts';
import type { ErrorReply, Reply } from '../resp/reply.ts';
import type { KvService } from '../server/service.ts';
import type { Session } from '../server/session.ts';

/** How a read is carried out, once its arguments are known to be good. */
export type ReadPlan =
  /** Looks at one key, at a linearizable point; such reads of a pipeline share one trip to the store. */
  | {
      readonly kind: 'key';
      readonly key: Uint8Array;
      readonly reply: (value: Uint8Array | undefined) => Reply;
    }
  /** Anything else. `linearizable`: only begins once a linearizable read point is reached. */
  | { readonly kind: 'run'; readonly linearizable: boolean; readonly run: () => Promise<Reply> };

/** Where the keys are among the arguments, the command's name being argument 0; `last` from the end when negative. */
export interface KeyPositions {
  readonly first: number;
  readonly last: number;
  readonly step: number;
}

interface CommonSpec {
  /** Lower case. */
  readonly name: string;
  /** Arguments with the name: exactly this many, or at least `-arity` when negative. */
  readonly arity: number;
  /** Redis's words, for COMMAND. */
  readonly flags: readonly string[];
  readonly keys?: KeyPositions;
  readonly group: 'string' | 'generic' | 'connection' | 'server';
  readonly summary: string;
  readonly since: string;
}

/** Answered from the connection and the server alone, at once. `args` are those behind the name. */
export interface LocalSpec extends CommonSpec {
  readonly kind: 'local';
  readonly run: (args: readonly Buffer[], session: Session, service: KvService) => Reply;
}
/** Waits for the writes before it in the pipeline. */
export interface ReadSpec extends CommonSpec {
  readonly kind: 'read';
  readonly plan: (args: readonly Buffer[], service: KvService, session: Session) => ReadPlan | ErrorReply;
}
/** Becomes a command in the log. */
export interface WriteSpec extends CommonSpec {
  readonly kind: 'write';
  readonly parse: (args: readonly Buffer[]) => KvCommand | ErrorReply;
}
export type CommandSpec = LocalSpec | ReadSpec | WriteSpec;

export const noKeys: KeyPositions = { first: 0, last: 0, step: 0 };
export const oneKey: KeyPositions = { first: 1, last: 1, step: 1 };
export const allKeys: KeyPositions = { first: 1, last: -1, step: 1 };

/** The arguments of a whole command (name included) that are keys. */
export function keyArguments(positions: KeyPositions, args: readonly Buffer[]): Buffer[] {
  const keys: Buffer[] = [];
  if (positions.first === 0) return keys;
  const last = positions.last < 0 ? args.length + positions.last : positions.last;
  for (let i = positions.first; i <= last; i += positions.step) {
    const key = args[i];
    if (key !== undefined) keys.push(key);
  }
  return keys;
}
