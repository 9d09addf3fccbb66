/**
 * Histories as text: one operation a line, in the form that porcupine's users take.
 *
 *   {"client":3,"call":12,"return":19,"op":"set","key":"k1","input":"v7","output":null}
 *
 * JSON has no infinity: an operation of unknown outcome has `"return":null` and no `output`.
 */
import type { Operation, Value } from './operation.ts';

export function formatOperation(operation: Operation): string {
  const { client, call, op, key, input, output } = operation;
  return JSON.stringify({
    client,
    call,
    return: operation.return === Infinity ? null : operation.return,
    op,
    key,
    input,
    ...(output !== undefined && { output }),
  });
}

/** The lines of a file, each with its line feed. Lazy, so that a long history is never one text. */
export function* formatHistory(operations: Iterable<Operation>): Generator<string, void, undefined> {
  for (const operation of operations) yield `${formatOperation(operation)}\n`;
}

/** Reads what `formatHistory` wrote. Throws `SyntaxError` naming the line. Empty lines are skipped. */
export function parseHistory(text: string): Operation[] {
  const operations: Operation[] = [];
  let number = 0;
  for (const line of text.split('\n')) {
    number++;
    if (line.trim() !== '') operations.push(parseOperation(line, number));
  }
  return operations;
}

function parseOperation(line: string, number: number): Operation {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch (cause) {
    throw new SyntaxError(`line ${number} of the history is not JSON`, { cause });
  }
  const refuse = (what: string): never => {
    throw new SyntaxError(`line ${number} of the history: ${what}`);
  };
  if (typeof parsed !== 'object' || parsed === null) return refuse('not an object');
  const fields = parsed as Readonly<Record<string, unknown>>;
  const { client, call, op, key, input, output } = fields;
  const end = fields['return'];
  if (typeof client !== 'number') return refuse('client must be a number');
  if (typeof call !== 'number') return refuse('call must be a number');
  if (typeof end !== 'number' && end !== null) return refuse('return must be a number, or null for unknown');
  if (typeof op !== 'string' || typeof key !== 'string') return refuse('op and key must be texts');
  if (!isValue(input)) return refuse('input must be a text, number, boolean, null or a list of them');
  if (end === null) return { client, call, return: Infinity, op, key, input, output: undefined };
  if (!isValue(output)) return refuse('output must be given for an operation that returned');
  return { client, call, return: end, op, key, input, output };
}

function isValue(value: unknown): value is Value {
  if (Array.isArray(value)) return value.every(isValue);
  return value === null || ['string', 'number', 'boolean'].includes(typeof value);
}
