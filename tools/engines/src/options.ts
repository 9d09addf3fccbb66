/** Options of engines as they are typed: `key=value`, checked against what the engine knows. */
import { EngineChoiceError } from './errors.ts';

export type EngineOptionValue = string | number | boolean;

/** Checked and typed; survives JSON, so that a child process can be given it. */
export type EngineOptions = Readonly<Record<string, EngineOptionValue>>;

/**
 * - `count`: a whole number.
 * - `bytes`: a whole number, or one with a unit: 64kb, 16mb, 1gb (powers of 1024).
 * - `boolean`: true or false.
 * - `text`: as it is.
 * - `choice`: one of `choices`.
 */
export type EngineOptionType = 'count' | 'bytes' | 'boolean' | 'text' | 'choice';

export interface EngineOptionSpec {
  readonly type: EngineOptionType;
  readonly meaning: string;
  readonly choices?: readonly string[];
}

export type EngineOptionSpecs = Readonly<Record<string, EngineOptionSpec>>;

/** Pairs as typed, the value not looked at yet. */
export type RawOptions = Readonly<Record<string, string>>;

const units: Readonly<Record<string, number>> = { b: 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

/** Adds one `key=value` to those before it: what a command line's repeated `--option` gives. */
export function addRawOption(text: string, known: RawOptions = {}): RawOptions {
  const match = /^([A-Za-z]\w*)=(.*)$/s.exec(text);
  const [, key, value] = match ?? [];
  if (key === undefined || value === undefined) {
    throw new EngineChoiceError(`expected KEY=VALUE, for example worker=true, not ${JSON.stringify(text)}`);
  }
  if (Object.hasOwn(known, key)) throw new EngineChoiceError(`the option ${key} is given twice`);
  return { ...known, [key]: value };
}

/** `bytes` and `count` as typed; undefined when it is neither. */
function wholeNumber(text: string, withUnit: boolean): number | undefined {
  const match = /^(\d+)\s*(?:([bkmg])(?:i?b)?)?$/i.exec(text);
  const [, digits = '', unit] = match ?? [];
  if (match === null || (unit !== undefined && !withUnit)) return undefined;
  const value = Number(digits) * (units[unit?.toLowerCase() ?? 'b'] ?? 1);
  return Number.isSafeInteger(value) ? value : undefined;
}

function typed(spec: EngineOptionSpec, text: string): EngineOptionValue | undefined {
  switch (spec.type) {
    case 'count':
      return wholeNumber(text, false);
    case 'bytes':
      return wholeNumber(text, true);
    case 'boolean':
      return text === 'true' ? true : text === 'false' ? false : undefined;
    case 'choice':
      return spec.choices?.includes(text) === true ? text : undefined;
    case 'text':
      return text === '' ? undefined : text;
  }
}

function expected(spec: EngineOptionSpec): string {
  switch (spec.type) {
    case 'count':
      return 'a whole number';
    case 'bytes':
      return 'a number of bytes, for example 65536, 64kb or 16mb';
    case 'boolean':
      return 'true or false';
    case 'choice':
      return `one of ${(spec.choices ?? []).join(', ')}`;
    case 'text':
      return 'a text';
  }
}

/** Names the option, what it got and what would be right. */
export function parseEngineOptions(engine: string, specs: EngineOptionSpecs, raw: RawOptions): EngineOptions {
  const options: Record<string, EngineOptionValue> = {};
  for (const [key, text] of Object.entries(raw)) {
    const spec = Object.hasOwn(specs, key) ? specs[key] : undefined;
    if (spec === undefined) {
      const known = Object.keys(specs);
      throw new EngineChoiceError(
        `the engine ${engine} has no option ${key}; ` +
          (known.length === 0 ? 'it has none' : `there are: ${known.join(', ')}`),
      );
    }
    const value = typed(spec, text);
    if (value === undefined) {
      throw new EngineChoiceError(
        `the option ${key} of ${engine} is ${expected(spec)}, not ${JSON.stringify(text)}`,
      );
    }
    options[key] = value;
  }
  return options;
}

/** `sqlite worker=true`: the engine and what was chosen, for headings and file names of reports. */
export function labelOf(engine: string, options: EngineOptions): string {
  return [engine, ...Object.entries(options).map(([key, value]) => `${key}=${String(value)}`)].join(' ');
}
