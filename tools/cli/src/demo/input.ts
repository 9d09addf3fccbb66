/** What the demo replicates: pairs of a key and JSON, read as a stream, so that an input of any length fits. */
import { createReadStream, existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { maxValueBytes } from '@balsa/kv';
import { CommandFailure } from '../messages.ts';

export interface Item {
  readonly key: string;
  /** JSON text. */
  readonly json: string;
}

/** Something that can be read from its beginning again and again. */
export interface Input {
  readonly name: string;
  items(): AsyncIterable<Item>;
}

/** Longest key, in UTF-16 units: within what the store takes, whatever the characters are. */
const maxKeyLength = 8_192;
/** Of one value: what the service takes, less what the demo puts around it. */
const maxJsonBytes = maxValueBytes - 64;

function checkKey(key: unknown, place: string): string {
  if (typeof key !== 'string' || key.length === 0 || key.length > maxKeyLength) {
    throw new CommandFailure(`${place}: "key" must be a text of 1 to ${maxKeyLength} characters.`);
  }
  return key;
}

function checkValue(value: unknown, place: string): string {
  const json = JSON.stringify(value);
  const bytes = Buffer.byteLength(json);
  if (bytes > maxJsonBytes) {
    throw new CommandFailure(
      `${place}: "value" has ${bytes} bytes as JSON; at most ${maxJsonBytes} are taken.`,
    );
  }
  return json;
}

/** Lines of `{"key":...,"value":...}`. Empty lines are passed over. A later line of the same key replaces the earlier one. */
export function linesInput(file: string): Input {
  async function* items(): AsyncGenerator<Item> {
    const stream = createReadStream(file, 'utf8');
    let number = 0;
    try {
      for await (const line of createInterface({ input: stream, crlfDelay: Infinity })) {
        number++;
        if (line.trim() !== '') yield parseLine(line, `${file}:${number}`);
      }
    } catch (error) {
      if (error instanceof CommandFailure) throw error;
      throw new CommandFailure(`Cannot read the input ${file}: ${(error as Error).message}`, {
        cause: error,
      });
    } finally {
      stream.destroy();
    }
  }
  return { name: file, items };
}

export function parseLine(line: string, place: string): Item {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new CommandFailure(`${place}: not JSON: ${(error as Error).message}`, { cause: error });
  }
  if (typeof value !== 'object' || value === null || !('key' in value) || !('value' in value)) {
    throw new CommandFailure(`${place}: expected {"key":...,"value":...}.`);
  }
  return { key: checkKey(value.key, place), json: checkValue(value.value, place) };
}

/** The packages of an npm lock file: a key for each, its JSON as value. */
function lockInput(file: string): Input {
  async function* items(): AsyncGenerator<Item> {
    const { packages = {} } = JSON.parse(await readFile(file, 'utf8')) as {
      packages?: Record<string, unknown>;
    };
    for (const [place, entry] of Object.entries(packages)) {
      yield { key: place === '' ? '(root)' : checkKey(place, file), json: JSON.stringify(entry) };
    }
  }
  return { name: file, items };
}

/** The file given, or this project's own package-lock.json. */
export function openInput(file: string | undefined): Input {
  if (file !== undefined) {
    if (!existsSync(file)) throw new CommandFailure(`There is no input file ${file}.`);
    return linesInput(file);
  }
  const own = fileURLToPath(new URL('../../../../package-lock.json', import.meta.url));
  if (!existsSync(own)) {
    throw new CommandFailure(
      'There is no package-lock.json beside this program; give an input with --input FILE.',
    );
  }
  return lockInput(own);
}

/** `count` items: from the beginning again as often as it takes, so that a small input makes as much load as a large one. */
export async function* cycle(input: Input, count: number): AsyncGenerator<Item> {
  let left = count;
  while (left > 0) {
    const before = left;
    for await (const item of input.items()) {
      yield item;
      if (--left === 0) return;
    }
    // An input of nothing has no beginning to go back to.
    if (left === before) return;
  }
}
