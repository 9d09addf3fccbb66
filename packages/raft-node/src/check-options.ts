/** Whether options are what their types say. TypeScript asks for it; a program in plain JavaScript has nobody who does. */
import { BalsaError, type ErrorCode } from '@balsa/raft-core';

export type Kind = 'number' | 'string' | 'boolean' | 'function' | 'object' | 'list';

/** Name and kind of every field that there is. */
export type Kinds = Readonly<Record<string, Kind>>;

const articles: Readonly<Record<Kind, string>> = {
  number: 'a number',
  string: 'a text',
  boolean: 'true or false',
  function: 'a function',
  object: 'an object',
  list: 'a list',
};

/** The longest that a timer of Node waits: beyond it, it fires at once. */
export const longestTimerMs = 0x7fff_ffff;

/** A value as a message tells it. */
export function describeValue(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'function') return `the function ${value.name}`;
  if (typeof value !== 'object' || value === null) return String(value);
  if (Array.isArray(value)) return 'a list';
  const { name } = (value.constructor as { name?: unknown } | undefined) ?? {};
  return typeof name === 'string' && name !== 'Object' ? `of class ${name}` : 'an object';
}

/** Refuses a name that there is not (`INVALID_ARGUMENT`), and with `code` what is no object or a value of another kind. */
export function checkFields(
  where: string,
  given: unknown,
  kinds: Kinds,
  code: ErrorCode = 'INVALID_CONFIG',
): void {
  if (kindOf(given) !== 'object') refuse(where, `be ${articles.object}`, given, code);
  for (const [name, value] of Object.entries(given as object)) {
    const kind = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
    if (kind === undefined) {
      const text = `${where} has no field "${name}"; there are: ${Object.keys(kinds).join(', ')}`;
      throw new BalsaError('INVALID_ARGUMENT', text, { details: { field: name } });
    }
    if (value !== undefined && kindOf(value) !== kind)
      refuse(where === 'options' ? name : `${where}.${name}`, `be ${articles[kind]}`, value, code);
  }
}

/** Refuses a part that lacks a method: another object, or a class where an instance belongs. */
export function checkPart(field: string, part: unknown, methods: readonly string[]): void {
  if (kindOf(part) !== 'object') refuse(field, 'be given, as an object', part);
  const lacking = methods.filter((name) => typeof (part as Record<string, unknown>)[name] !== 'function');
  if (lacking.length > 0)
    refuse(field, `have the methods ${methods.join(', ')} (missing: ${lacking.join(', ')})`, part);
}

export function refuse(
  field: string,
  must: string,
  value: unknown,
  code: ErrorCode = 'INVALID_CONFIG',
): never {
  throw new BalsaError(code, `${field} must ${must}, but is ${describeValue(value)}`, {
    details: { field },
  });
}

function kindOf(value: unknown): Kind | undefined {
  if (Array.isArray(value)) return 'list';
  if (value === null) return undefined;
  const type = typeof value;
  return type in articles ? (type as Kind) : undefined;
}
