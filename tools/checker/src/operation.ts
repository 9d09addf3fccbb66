/** One operation of a history, as the checker judges it and as a line of NDJSON holds it. */

/** What goes into and comes out of an operation. Its meaning is the model's. */
export type Value = string | number | boolean | null | readonly Value[];

export interface Operation {
  /** Who called. An id of at most one operation at a time, in a history of closed-loop clients. */
  readonly client: number;
  /** Name of the operation in the model, such as `set`. */
  readonly op: string;
  /** Keys are judged apart: no operation touches two. */
  readonly key: string;
  readonly input: Value;
  /** `undefined` when the outcome is unknown. */
  readonly output: Value | undefined;
  /** On one monotonic clock, in any unit. */
  readonly call: number;
  /** `Infinity` when the outcome is unknown: it may take effect at any time after the call, or never. */
  readonly return: number;
}

/** Whether the client learned how it ended. */
export function isKnown(operation: Operation): boolean {
  return operation.return !== Infinity;
}

/** `client 3: set k1 "v7" -> null [12, 19]`, for people. */
export function describeOperation(operation: Operation): string {
  const { client, op, key, input, output } = operation;
  const argument = input === null ? '' : ` ${JSON.stringify(input)}`;
  const result = output === undefined ? 'outcome unknown' : JSON.stringify(output);
  const end = isKnown(operation) ? String(operation.return) : '...';
  return `client ${client}: ${op} ${key}${argument} -> ${result} [${operation.call}, ${end}]`;
}
