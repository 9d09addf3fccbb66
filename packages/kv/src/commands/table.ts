import { maxUserKeyBytes } from '../machine/limits.ts';
import { error, type ErrorReply } from '../resp/reply.ts';
import { connectionCommands } from './connection.ts';
import { unknownCommand, wrongArity } from './errors.ts';
import { introspectionCommands } from './introspection.ts';
import { keyspaceCommands } from './keyspace.ts';
import { keyArguments, type CommandSpec } from './spec.ts';
import { stringCommands } from './strings.ts';

/** Every command, by lower-case name. */
export const commandTable: ReadonlyMap<string, CommandSpec> = new Map(
  [
    ...stringCommands,
    ...keyspaceCommands,
    ...connectionCommands,
    ...introspectionCommands(() => commandTable),
  ].map((spec) => [spec.name, spec] as const),
);

const longestName = 64;

/** The command that `args` (its name first) call, or why there is none: unknown, wrong arity, a key too long. */
export function lookUp(args: readonly Buffer[]): CommandSpec | ErrorReply {
  const name = args[0];
  const spec =
    name === undefined || name.length > longestName
      ? undefined
      : commandTable.get(name.toString('latin1').toLowerCase());
  if (spec === undefined) return unknownCommand(args);
  const fits = spec.arity < 0 ? args.length >= -spec.arity : args.length === spec.arity;
  if (!fits) return wrongArity(spec.name);
  if (spec.keys !== undefined) {
    for (const key of keyArguments(spec.keys, args)) {
      if (key.length > maxUserKeyBytes) {
        return error(
          `ERR key exceeds maximum allowed size (${String(key.length)} bytes given, ${String(maxUserKeyBytes)} allowed)`,
        );
      }
    }
  }
  return spec;
}
