/** What goes into a core and comes out of it, as JSON: bytes and the classes of the core keep what they are. */
import { Message } from '../message.ts';
import { Entry, type EntryType } from '../types.ts';
import { BalsaError } from '../errors.ts';

const hexDigits = (byte: number): string => byte.toString(16).padStart(2, '0');

function unhex(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

const zero = new Message(0);

/** A message by its fields that are not at their defaults. */
function plainMessage(message: Message): object {
  const fields = Object.entries(message).filter(([key, value]) => {
    if (key === 'type') return true;
    const byDefault: unknown = Reflect.get(zero, key);
    if (Array.isArray(value) || ArrayBuffer.isView(value)) return (value as ArrayLike<unknown>).length > 0;
    return value !== byDefault;
  });
  return { $message: Object.fromEntries(fields) };
}

/** JSON text of any value that a core takes or gives. */
export function encodeStep(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown): unknown => {
    if (inner instanceof Uint8Array) return { $bytes: Array.from(inner, hexDigits).join('') };
    if (inner instanceof Message) return plainMessage(inner);
    if (inner instanceof Entry) {
      const { term, index, type, data, context } = inner;
      return context.length === 0
        ? { $entry: [term, index, type, data] }
        : { $entry: [term, index, type, data, context] };
    }
    // JSON has no infinite numbers.
    return inner === Infinity ? { $infinity: true } : inner;
  });
}

/** The value of text that `encodeStep` made. Throws `INVALID_ARGUMENT` for other text. */
export function decodeStep(text: string): unknown {
  try {
    return JSON.parse(text, (_key, inner: unknown): unknown => revive(inner)) as unknown;
  } catch (cause) {
    throw new BalsaError('INVALID_ARGUMENT', 'a recorded step must be a line of JSON', { cause });
  }
}

function revive(inner: unknown): unknown {
  if (typeof inner !== 'object' || inner === null) return inner;
  const { $bytes, $message, $entry, $infinity } = inner as Readonly<Record<string, unknown>>;
  if (typeof $bytes === 'string') return unhex($bytes);
  if ($infinity === true) return Infinity;
  if (typeof $message === 'object' && $message !== null) {
    const { type, ...fields } = $message as { type: Message['type'] };
    return new Message(type, fields);
  }
  if (Array.isArray($entry)) {
    const [term, index, type, data, context] = $entry as [number, number, EntryType, Uint8Array, Uint8Array?];
    return new Entry(term, index, type, data, context);
  }
  return inner;
}
