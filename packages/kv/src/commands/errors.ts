/** Redis's own error texts, so that clients that look at them understand. */
import { error, type ErrorReply } from '../resp/reply.ts';

export const syntaxError: ErrorReply = error('ERR syntax error');
export const notAnInteger: ErrorReply = error('ERR value is not an integer or out of range');

export function wrongArity(name: string): ErrorReply {
  return error(`ERR wrong number of arguments for '${name}' command`);
}

export function unknownSubcommand(container: string, given: Buffer | undefined): ErrorReply {
  const shown = given?.toString('latin1', 0, 128) ?? '';
  return error(`ERR unknown subcommand '${shown}'. Try ${container.toUpperCase()} HELP.`);
}

const shownBytes = 128;

/** Name and as many arguments as fit into 128 characters, as Redis shows them. */
export function unknownCommand(args: readonly Buffer[]): ErrorReply {
  let shown = '';
  for (const arg of args.slice(1)) {
    if (shown.length >= shownBytes) break;
    shown += `'${arg.toString('utf8', 0, shownBytes - shown.length)}' `;
  }
  const name = args[0]?.toString('utf8', 0, shownBytes) ?? '';
  return error(`ERR unknown command '${name}', with args beginning with: ${shown}`);
}

export function isError(value: object): value is ErrorReply {
  return 'kind' in value && value.kind === 'error';
}
